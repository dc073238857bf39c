//! The examples of src/client/README.md, line by line as they stand there.

#![allow(clippy::print_stdout, reason = "that is what the examples do")]

use std::time::Duration;

use entitled_client::{ClientError, SeatError};

/// Each, and what it prints.
pub const NAMES: [(&str, &str); 4] = [
    ("check", "exports: true"),
    ("watch", "VALID"),
    ("ask", "acme-cad: VALID"),
    ("seat", "a seat of the tier pro"),
];

pub fn play(name: &str) {
    // On a line of its own, whatever the harness wrote before.
    println!();
    match name {
        "check" => check().unwrap(),
        "watch" => watch().unwrap(),
        "ask" => tokio::runtime::Runtime::new().unwrap().block_on(ask()).unwrap(),
        "seat" => seat().unwrap(),
        _ => panic!("there is no {name}"),
    }
}

fn check() -> Result<(), ClientError> {
    let verdict = entitled_client::check("acme-cad")?;
    if verdict.valid && verdict.has("export") {
        // offer the export
    }
    println!("exports: {}", verdict.has("export"));
    Ok(())
}

fn watch() -> Result<(), ClientError> {
    use entitled_client::{Client, default_path};

    for verdict in Client::connect(&default_path())?.subscribe("acme-cad")? {
        println!("{}", verdict?.code);
    }
    Ok(())
}

async fn ask() -> Result<(), ClientError> {
    use entitled_client::{AsyncClient, default_path};

    let verdict = AsyncClient::connect(&default_path()).await?.check("acme-cad").await?;
    println!("{}: {}", verdict.product, verdict.code);
    Ok(())
}

#[rustfmt::skip]
fn seat() -> Result<(), SeatError> {
    use entitled_client::{Seat, SeatRequest, default_path};

    let seat = Seat::acquire(&default_path(), SeatRequest::new("acme-cad").wait(Duration::from_secs(600)))?;
    println!("a seat of the tier {}", seat.tier());
    drop(seat);
    Ok(())
}
