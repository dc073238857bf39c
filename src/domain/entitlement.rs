//! The heart: what facts entitle a customer to.
