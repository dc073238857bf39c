//! tier_cache
