//! Several threads serve connections.

use std::collections::BTreeMap;

use super::*;

const THREADS: usize = 3;

fn open() -> House {
    let home = tempfile::tempdir().unwrap();
    let listen_at = |name: &str| UnixListener::bind(home.path().join(name)).unwrap();
    let mut doors = Doors::of(listen_at("entitled.sock"), listen_at("admin.sock"), None);
    doors.threads = THREADS;
    House::with(home, doors, limits())
}

async fn thread_of(client: &mut Client) -> String {
    client.ask(call(1, "thread")).await["result"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn connections_are_spread_and_each_stays_where_it_is() {
    let house = open();
    let mut clients = Vec::new();
    for _ in 0..2 * THREADS {
        clients.push(house.connect().await);
        let came = clients.len() as u64;
        house.until(|it| it.connections_total.get() == came).await;
    }
    let mut served = BTreeMap::<String, usize>::new();
    for client in &mut clients {
        let thread = thread_of(client).await;
        assert_eq!(thread_of(client).await, thread);
        *served.entry(thread).or_default() += 1;
    }
    assert_eq!(served.into_values().collect::<Vec<_>>(), [2; THREADS]);
    assert_eq!(house.figures.requests.get(), 4 * THREADS as u64);
}

#[tokio::test]
async fn who_asks_once_and_goes_is_served_where_it_came_in() {
    let house = open();
    let here = format!("{:?}", std::thread::current().id());
    for _ in 0..2 * THREADS {
        let mut client = house.connect().await;
        assert_eq!(thread_of(&mut client).await, here);
        drop(client);
        house.until(|it| it.connections_open.get() == 0).await;
    }
}

#[tokio::test]
async fn many_threads_serve_and_all_connections_end() {
    let mut house = open();
    let mut clients = Vec::new();
    for _ in 0..2 * THREADS {
        let mut client = house.connect().await;
        client.ask(call(1, "hot")).await;
        client.send(call(2, "wait")).await;
        clients.push(client);
    }
    let asked = 4 * THREADS as u64;
    house.until(|it| it.requests.get() == asked).await;
    house.tell_to_stop();
    house.stage.gate.add_permits(clients.len());
    for client in &mut clients {
        assert_eq!(client.reply().await["result"], "waited");
        assert_eq!(client.rest().await, "");
    }
    let summary = within(house.serving).await.unwrap();
    let connections = clients.len() as u64;
    assert_eq!((summary.connections, summary.requests, summary.cut_off), (connections, asked, 0));
}
