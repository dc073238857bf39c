use entitled_client::{Code, check};

fn main() {
    match check("acme-cad") {
        Ok(verdict) if verdict.valid => println!("entitled"), // and verdict.has("export")
        Ok(verdict) if verdict.code != Code::Undetermined => println!("not entitled"),
        Ok(_) | Err(_) => println!("not known"),
    }
}
