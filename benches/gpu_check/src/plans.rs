//! The ways in which a GPU can launch a call.

use lossc_runtime::cuda::plan::{LaunchOverrides, Team};

/// A way to launch a call.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Name in reports.
    pub name: &'static str,
    /// Overrides of the executor's choice.
    pub overrides: LaunchOverrides,
}

/// The executor's own choice.
pub const CHOSEN: Plan =
    Plan { name: "chosen", overrides: LaunchOverrides { team: None, cooperative: None } };

/// The executor's choice, and each way by itself. The executor ignores overrides that code or
/// device do not support.
pub const PLANS: [Plan; 5] = [
    CHOSEN,
    plan("warps, launch per pass", Team::Warp, false),
    plan("warps, one launch", Team::Warp, true),
    plan("blocks, launch per pass", Team::Block, false),
    plan("blocks, one launch", Team::Block, true),
];

const fn plan(name: &'static str, team: Team, cooperative: bool) -> Plan {
    Plan { name, overrides: LaunchOverrides { team: Some(team), cooperative: Some(cooperative) } }
}
