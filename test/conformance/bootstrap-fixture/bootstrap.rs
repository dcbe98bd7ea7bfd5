//! A custom runtime in Rust with nothing but its standard library: one connection to the Runtime API, kept alive.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn main() -> io::Result<()> {
    let api = env::var("AWS_LAMBDA_RUNTIME_API").expect("AWS_LAMBDA_RUNTIME_API");
    let mut connection = BufReader::new(TcpStream::connect(&api)?);
    for calls in 1.. {
        let (head, event) = ask(&mut connection, &api, "GET", "next", "")?;
        let id = head
            .iter()
            .find_map(|(name, value)| (name == "lambda-runtime-aws-request-id").then(|| value.clone()))
            .expect("a request id");
        println!("call {calls} of {id}");
        if event.contains("panic") {
            panic!("as asked");
        }
        let (path, answer) = if event.contains("fail") {
            (format!("{id}/error"), r#"{"errorType":"Rust.Error","errorMessage":"as asked"}"#.to_string())
        } else {
            (format!("{id}/response"), format!(r#"{{"got":{event},"calls":{calls}}}"#))
        };
        ask(&mut connection, &api, "POST", &path, &answer)?;
    }
    Ok(())
}

type Head = Vec<(String, String)>;

/// Sends one request and reads its answer, whose body has a length.
fn ask(connection: &mut BufReader<TcpStream>, host: &str, method: &str, path: &str, body: &str) -> io::Result<(Head, String)> {
    let length = body.len();
    let request = format!(
        "{method} /2018-06-01/runtime/invocation/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    connection.get_mut().write_all(request.as_bytes())?;
    let mut head = Head::new();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            head.push((name.to_lowercase(), value.trim().to_string()));
        }
    }
    let length = head.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut answer = vec![0; length];
    connection.read_exact(&mut answer)?;
    Ok((head, String::from_utf8(answer).expect("UTF-8")))
}
