//! What an administrator says of a pool: for whom places are kept, who may have how many, and who none.

use std::time::Duration;

use super::ids::Claimant;

/// Some of those who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    Uid(u32),
    Gid(u32),
    /// A unit's name, or the path of a control group, in which `*` stands for any text.
    Unit(String),
    /// The same of a unit of this user's own service manager.
    UserUnit(u32, String),
}

impl Who {
    pub fn is(&self, claimant: &Claimant) -> bool {
        let is_user = |uid| [Some(claimant.uid), claimant.account].contains(&Some(uid));
        match self {
            Self::Uid(uid) => is_user(*uid),
            Self::Gid(gid) => claimant.gids.contains(gid),
            // The end of a path may be anybody's choice: it is no unit, however it ends.
            Self::Unit(pattern) => claimant.unit.as_deref().is_some_and(|it| {
                pattern.starts_with('/') == it.starts_with('/') && matches(pattern, it)
            }),
            Self::UserUnit(uid, pattern) => {
                let manager = format!("user@{uid}.service");
                let own = claimant.user_unit.as_deref();
                is_user(*uid)
                    && claimant.unit.as_deref() == Some(&manager)
                    && own.is_some_and(|it| matches(pattern, it))
            }
        }
    }
}

/// The rules of one pool. The default has none: first come, first served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// So many places are kept for these; others do not get them, even while nobody uses them.
    pub reserve: Vec<(Who, u32)>,
    /// These have so many between them at most.
    pub max: Vec<(Who, u32)>,
    /// If there are any, only these may have a seat.
    pub include: Vec<Who>,
    /// These may have none, whoever includes them.
    pub exclude: Vec<Who>,
    /// How long a seat is kept for its unit after its end, as long as nobody else asks for it.
    pub linger: Duration,
    /// No administrator takes a seat away that is younger.
    pub min_remove: Duration,
    /// So many seats are never lent out.
    pub low_water: u32,
    /// No seat is lent for longer; nothing is lent if it is zero.
    pub max_borrow: Duration,
    /// Whether users may lend a seat to another machine, and not administrators alone: nobody can call it back.
    pub users_lend: bool,
    /// Whether a request that fits may overtake one that waits for more.
    pub express: bool,
}

impl Policy {
    pub fn admits(&self, claimant: &Claimant) -> bool {
        let any = |list: &[Who]| list.iter().any(|it| it.is(claimant));
        let has_none = self.max.iter().any(|(who, most)| *most == 0 && who.is(claimant));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude) && !has_none
    }
}

/// Whether `text` is of the form of `pattern`. Takes time in proportion to both lengths multiplied at most.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    let mut rest = rest;
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}
