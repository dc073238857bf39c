//! What SeatKeeper is told of: ends of processes and connections, news of tokens, other policies, the start and the end of the
//! daemon.

use actix::prelude::*;

use super::SeatKeeper;
use super::messages::{Disconnected, Exited, Recount, ReloadPolicies, Suspend, TakeBack, Withdraw};
use super::work::counting;
use crate::seat_policies::{Policies, PolicyFault};
use entitled_core::seats::Binding;

impl Handler<TakeBack> for SeatKeeper {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: TakeBack, _: &mut Self::Context) -> Self::Result {
        let (parts, keys) = (self.parts.clone(), self.house.kept.keys());
        let counting = async move {
            let mut counted = Vec::new();
            for key in keys {
                // One that cannot be counted now is counted when that is possible.
                counted.extend(counting::count(&parts, &key).await.map(|it| (key, it)));
            }
            counted
        };
        Box::pin(counting.into_actor(self).map(|counted, keeper, context| {
            for (key, counts) in counted {
                keeper.take_counts(&key, &counts);
            }
            keeper.settle(context);
        }))
    }
}

impl Handler<Suspend> for SeatKeeper {
    type Result = ();

    fn handle(&mut self, _: Suspend, _: &mut Self::Context) {
        self.is_ending = true;
        // They are told to ask again.
        self.asked.clear();
    }
}

impl Handler<Exited> for SeatKeeper {
    type Result = ();

    fn handle(&mut self, told: Exited, context: &mut Self::Context) {
        if self.house.watches.is_current(told) && !self.is_ending {
            self.house.kept.has_ended(told.process);
            // Somebody else may have its connection.
            self.withdraw(|it| it.bindings.contains(&Binding::Process(told.process)));
            self.house.seats.exited(self.now(), told.process);
            self.house.watches.forget_process(told.process);
            self.settle(context);
        }
    }
}

impl Handler<Disconnected> for SeatKeeper {
    type Result = ();

    fn handle(&mut self, told: Disconnected, context: &mut Self::Context) {
        // The daemon has closed it itself.
        if !self.is_ending {
            self.hang_up(told.connection);
            self.settle(context);
        }
    }
}

impl Handler<Withdraw> for SeatKeeper {
    type Result = ();

    fn handle(&mut self, _: Withdraw, context: &mut Self::Context) {
        self.withdraw(|it| it.answer.is_closed());
        self.settle(context);
    }
}

impl Handler<Recount> for SeatKeeper {
    type Result = ();

    fn handle(&mut self, told: Recount, context: &mut Self::Context) {
        self.recount(told.key, context);
    }
}

impl Handler<ReloadPolicies> for SeatKeeper {
    type Result = ResponseActFuture<Self, Vec<PolicyFault>>;

    fn handle(&mut self, order: ReloadPolicies, _: &mut Self::Context) -> Self::Result {
        if let Some(dirs) = order.dirs {
            self.parts.dirs = dirs;
        }
        let dirs = self.parts.dirs.clone();
        let read = tokio::task::spawn_blocking(move || Policies::load(&dirs));
        Box::pin(read.into_actor(self).map(|read, keeper, context| {
            let faults = match read {
                Ok(Ok(policies)) => {
                    keeper.house.adopt_policies(keeper.now(), policies);
                    Vec::new()
                }
                Ok(Err(faults)) => faults,
                Err(_) => Vec::new(),
            };
            keeper.settle(context);
            faults
        }))
    }
}
