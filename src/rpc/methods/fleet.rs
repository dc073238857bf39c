//! The machines that share seats.

use std::sync::Arc;

use super::api::{ACTOR_TIME, Api};
use crate::actors::seat_keeper::{DrainMachine, EvictMachine, FindFleet, FleetRestored};
use crate::rpc::error::RpcError;
use crate::rpc::wire;
use entitled_core::domain::peer::Permit;

pub(super) async fn status(
    api: Arc<Api>,
    _: Permit,
    _: wire::Nothing,
) -> Result<wire::Fleet, RpcError> {
    let found = api.seats.send(FindFleet).timeout(ACTOR_TIME).await??;
    Ok((&found).into())
}

pub(super) async fn evict(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::FleetEvict,
) -> Result<wire::FleetEvicted, RpcError> {
    let order = EvictMachine { machine: ask.machine, asked: api.asked(&permit) };
    let certain_at = api.seats.send(order).timeout(ACTOR_TIME).await??;
    Ok(wire::FleetEvicted { certain_at: certain_at.to_string() })
}

pub(super) async fn drain(
    api: Arc<Api>,
    permit: Permit,
    ask: wire::FleetDrain,
) -> Result<wire::Fleet, RpcError> {
    let order = DrainMachine { on: ask.on.unwrap_or(true), asked: api.asked(&permit) };
    let found = api.seats.send(order).timeout(ACTOR_TIME).await??;
    Ok((&found).into())
}

pub(super) async fn restored(
    api: Arc<Api>,
    permit: Permit,
    _: wire::Nothing,
) -> Result<wire::FleetRestored, RpcError> {
    let order = FleetRestored { asked: api.asked(&permit) };
    let epoch = api.seats.send(order).timeout(ACTOR_TIME).await??;
    Ok(wire::FleetRestored { epoch })
}
