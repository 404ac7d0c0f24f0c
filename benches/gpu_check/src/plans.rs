//! The ways in which a GPU can launch a call.

use lossc_runtime::cuda::plan::{LaunchOverrides, Team};

/// A way to launch a call.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What it is called in reports.
    pub name: &'static str,
    /// What is asked of the executor.
    pub overrides: LaunchOverrides,
}

/// What the executor chooses.
pub const CHOSEN: Plan =
    Plan { name: "chosen", overrides: LaunchOverrides { team: None, cooperative: None } };

/// That, and each way by itself. Where code or device cannot do what is wished, the
/// executor does what it can.
pub const PLANS: [Plan; 5] = [
    CHOSEN,
    plan("warps, a launch a pass", Team::Warp, false),
    plan("warps, one launch", Team::Warp, true),
    plan("blocks, a launch a pass", Team::Block, false),
    plan("blocks, one launch", Team::Block, true),
];

const fn plan(name: &'static str, team: Team, cooperative: bool) -> Plan {
    Plan { name, overrides: LaunchOverrides { team: Some(team), cooperative: Some(cooperative) } }
}
