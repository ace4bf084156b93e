//! The client against servers of this process that answer as the tests say.

mod fake;

use std::time::{Duration, Instant};

use fake::{Act, Fake, Speaks};
use prost::Message;
use tempfile::TempDir;

use super::messages::{
    InferInputTensor, InferOutputTensor, InferTensorContents, ModelInferRequest, ModelInferResponse,
    ModelReadyResponse, ServerMetadataResponse,
};
use super::{Elements, Input, Output, OwnedValues, RemoteError, Server};
use crate::config::ServerAddress;

/// Longer than any answer takes here.
const PATIENCE: Duration = Duration::from_secs(20);

/// The smallest right answer, over REST.
const JSON: &str = r#"{"outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [2.5]}]}"#;

fn client(fakes: &[&Fake], timeout: Duration) -> Server {
    let addresses: Vec<ServerAddress> =
        fakes.iter().map(|fake| ServerAddress::parse(&fake.address).unwrap()).collect();
    Server::new(&addresses, timeout, None).unwrap()
}

fn infer(server: &Server) -> Result<Vec<Output>, RemoteError> {
    server.infer("pose", Input { name: "x", shape: &[1, 2], elements: Elements::F32(&[0.5, 1.0]) })
}

fn tensor(datatype: &str, shape: &[i64], contents: Option<InferTensorContents>) -> InferOutputTensor {
    InferOutputTensor { name: "y".to_owned(), datatype: datatype.to_owned(), shape: shape.to_vec(), contents }
}

/// An answer with one output whose elements are raw.
fn raw(datatype: &str, shape: &[i64], raw: &'static [u8]) -> ModelInferResponse {
    ModelInferResponse { outputs: vec![tensor(datatype, shape, None)], raw_output_contents: vec![raw.into()] }
}

/// The same as MLServer sends it.
fn raw_beside_empty() -> ModelInferResponse {
    let outputs = vec![tensor("FP32", &[1], Some(InferTensorContents::default()))];
    ModelInferResponse { outputs, ..raw("FP32", &[1], &[0, 0, 32, 64]) }
}

/// An answer with one output whose elements stand beside it.
fn typed(datatype: &str, shape: &[i64], contents: InferTensorContents) -> ModelInferResponse {
    let outputs = vec![tensor(datatype, shape, Some(contents))];
    ModelInferResponse { outputs, raw_output_contents: Vec::new() }
}

/// The smallest right answer.
fn right(speaks: Speaks) -> Act {
    match speaks {
        Speaks::Rest => Act::json(200, JSON),
        Speaks::Grpc => Act::message(&raw("FP32", &[1], &[0, 0, 32, 64])),
    }
}

const BOTH: [Speaks; 2] = [Speaks::Rest, Speaks::Grpc];

#[test]
fn outputs_are_read_in_every_form() {
    let floats = InferTensorContents { fp32_contents: vec![1.0, f32::NAN], ..Default::default() };
    let integers = InferTensorContents { int_contents: vec![-1], ..Default::default() };
    let long = InferTensorContents { int64_contents: vec![i64::MIN], ..Default::default() };
    let json = |datatype: &str, shape: &str, data: &str| {
        let name = r#""name": "y", "parameters": {"content_type": "np"}"#;
        let output = format!(r#"{{{name}, "datatype": "{datatype}", "shape": {shape}, "data": {data}}}"#);
        Act::json(200, &format!(r#"{{"model_name": "pose", "id": null, "outputs": [{output}]}}"#))
    };
    for (speaks, act, values) in [
        (Speaks::Rest, json("FP32", "[2, 2]", "[[1, null], [-2.5e0, 0.1]]"), "F32([1.0, NaN, -2.5, 0.1])"),
        (Speaks::Rest, json("FP32", "[]", "7"), "F32([7.0])"),
        (Speaks::Rest, json("INT32", "[1]", "[-1]"), "I32([-1])"),
        (Speaks::Rest, json("INT64", "[1]", "[9223372036854775807]"), "I64([9223372036854775807])"),
        (Speaks::Rest, json("BYTES", "[1]", r#"["cat"]"#), r#"Other("BYTES")"#),
        (
            Speaks::Rest,
            Act::binary(
                r#"{"name": "y", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}}"#,
                &[1, 0, 0, 0, 0, 0, 0, 0],
            ),
            "I64([1])",
        ),
        (Speaks::Grpc, Act::message(&raw("FP32", &[1], &[0, 0, 32, 64])), "F32([2.5])"),
        (Speaks::Grpc, Act::message(&raw_beside_empty()), "F32([2.5])"),
        (Speaks::Grpc, Act::message(&raw("BOOL", &[1], &[1])), r#"Other("BOOL")"#),
        (Speaks::Grpc, Act::message(&typed("FP32", &[2], floats)), "F32([1.0, NaN])"),
        (Speaks::Grpc, Act::message(&typed("INT32", &[1], integers)), "I32([-1])"),
        (Speaks::Grpc, Act::message(&typed("INT64", &[1], long)), "I64([-9223372036854775808])"),
        (Speaks::Grpc, Act::message(&typed("FP32", &[0], InferTensorContents::default())), "F32([])"),
    ] {
        let fake = Fake::start(speaks, move |_| act.clone());
        let outputs = infer(&client(&[&fake], PATIENCE)).unwrap();
        assert_eq!(format!("{:?}", outputs[0].values), values);
        assert_eq!((outputs.len(), outputs[0].name.as_str()), (1, "y"));
    }
}

#[test]
fn whatever_goes_wrong_is_told_with_the_address() {
    let message = Act::message;
    let output = |text: &str| Act::json(200, &format!(r#"{{"outputs": [{{"name": "y", {text}}}]}}"#));
    let page = "<html>Bad gateway</html>";
    for (speaks, act, error) in [
        (
            Speaks::Rest,
            Act::json(404, r#"{"error": "Model pose not found"}"#),
            "@ has no model `pose`: Model pose not found",
        ),
        (Speaks::Rest, Act::json(400, r#"{"detail": "no\ninput"}"#), "@ refuses the request: no input"),
        (
            Speaks::Rest,
            Act::json(500, r#"{"error": ""}"#),
            r#"@: the model `pose` failed there: HTTP status 500 Internal Server Error {"error": ""}"#,
        ),
        (
            Speaks::Rest,
            Act::json(502, page),
            "@ cannot answer now: HTTP status 502 Bad Gateway <html>Bad gateway</html>",
        ),
        (Speaks::Rest, Act::json(302, ""), "@: the answer is not one of the protocol: HTTP status 302 Found"),
        (
            Speaks::Rest,
            Act::json(200, page),
            "@: the answer is not one of the protocol: expected value at line 1 column 1",
        ),
        (
            Speaks::Rest,
            Act::json(200, "{}"),
            "@: the answer is not one of the protocol: missing field `outputs` at line 1 column 2",
        ),
        (
            Speaks::Rest,
            output(r#""datatype": "FP32", "shape": [2], "data": [1]"#),
            "@: the answer is not one of the protocol: the output `y` has 1 elements; its shape [2] takes 2",
        ),
        (
            Speaks::Rest,
            output(r#""datatype": "FP32", "shape": [1], "data": [1, 2]"#),
            "@: the answer is not one of the protocol: the output `y`: more elements than its shape takes at line 1 column 5",
        ),
        (
            Speaks::Rest,
            output(r#""datatype": "INT32", "shape": [1], "data": [1.5]"#),
            "@: the answer is not one of the protocol: the output `y`: an element is none of its type at line 1 column 4",
        ),
        (
            Speaks::Rest,
            output(r#""datatype": "INT64", "shape": [-1], "data": [1]"#),
            "@: the answer is not one of the protocol: the output `y` has the dimension -1",
        ),
        (
            Speaks::Rest,
            Act::binary(
                r#"{"name": "y", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}"#,
                &[0],
            ),
            "@: the answer is not one of the protocol: the output `y` is not whole",
        ),
        (Speaks::Rest, Act::TooLarge, "@: the answer is not one of the protocol: it is larger than 64 MiB"),
        (
            Speaks::Rest,
            Act::Cut,
            "@: the connection was lost: connection closed before message completed; does it speak REST on this port?",
        ),
        (Speaks::Grpc, Act::status(5, "no%20pose"), "@ has no model `pose`: no pose"),
        (Speaks::Grpc, Act::status(3, ""), "@ refuses the request: gRPC status INVALID_ARGUMENT"),
        (Speaks::Grpc, Act::status(13, "out of memory"), "@: the model `pose` failed there: out of memory"),
        (Speaks::Grpc, Act::status(14, "loading"), "@ cannot answer now: loading"),
        (Speaks::Grpc, Act::json(503, page), "@ cannot answer now: HTTP status 503 Service Unavailable"),
        (
            Speaks::Grpc,
            Act::json(404, page),
            "@: the answer is not one of the protocol: HTTP status 404; does it speak gRPC on this port?",
        ),
        (
            Speaks::Grpc,
            Act::json(200, page),
            "@: the answer is not one of the protocol: it has no gRPC status",
        ),
        (
            Speaks::Grpc,
            message(&raw("FP32", &[2], &[0; 4])),
            "@: the answer is not one of the protocol: the output `y` has 1 elements; its shape [2] takes 2",
        ),
        (
            Speaks::Grpc,
            message(&raw("FP32", &[1 << 62, 4], &[0; 4])),
            "@: the answer is not one of the protocol: the output `y` is too large for any memory",
        ),
        (
            Speaks::Grpc,
            message(&typed("INT32", &[1], InferTensorContents::default())),
            "@: the answer is not one of the protocol: the output `y` has 0 elements; its shape [1] takes 1",
        ),
        (
            Speaks::Grpc,
            message(&ModelInferResponse { outputs: Vec::new(), raw_output_contents: vec![vec![0].into()] }),
            "@: the answer is not one of the protocol: it has 0 outputs, and the elements of 1",
        ),
        (Speaks::Grpc, Act::TooLarge, "@: the answer is not one of the protocol: it is larger than 64 MiB"),
    ] {
        let fake = Fake::start(speaks, move |_| act.clone());
        let said = infer(&client(&[&fake], PATIENCE)).unwrap_err().to_string();
        assert_eq!(said.replace(&fake.address, "@"), error);
    }
}

#[test]
fn nobody_at_an_address_is_no_connection() {
    for speaks in BOTH {
        let mut fake = Fake::start(speaks, |_| Act::Cut);
        fake.stop();
        let error = infer(&client(&[&fake], PATIENCE)).unwrap_err();
        assert!(matches!(error, RemoteError::NoConnection { .. }), "{error}");
        assert!(!error.is_reached());
    }
    for (speaks, asked_as) in [(Speaks::Rest, "grpc"), (Speaks::Grpc, "http")] {
        let fake = Fake::start(speaks, |_| Act::Cut);
        let address = ServerAddress::parse(&format!("{asked_as}://127.0.0.1:{}", fake.port)).unwrap();
        let error = infer(&Server::new(&[address], PATIENCE, None).unwrap()).unwrap_err();
        assert!(matches!(error, RemoteError::Lost { .. }), "{error}");
    }
}

#[test]
fn another_address_is_asked_after_any_fault_and_first_from_then_on() {
    for speaks in BOTH {
        let acts = match speaks {
            Speaks::Rest => [400, 404, 429, 500, 502, 503, 504].map(|status| Act::json(status, "")),
            Speaks::Grpc => [1, 3, 4, 5, 8, 10, 13].map(|code| Act::status(code, "")),
        };
        for act in acts.into_iter().chain([Act::Cut, Act::Silence]) {
            let timeout = if matches!(act, Act::Silence) { Duration::from_secs(2) } else { PATIENCE };
            let first = Fake::start(speaks, move |_| act.clone());
            let second = Fake::start(speaks, move |_| right(speaks));
            let server = client(&[&first, &second], timeout);
            assert!(infer(&server).is_ok() && infer(&server).is_ok());
            assert_eq!(server.address(), second.address);
            assert_eq!((first.asked(), second.asked()), (1, 2));
        }
    }
}

#[test]
fn all_addresses_together_have_one_deadline() {
    let timeout = Duration::from_millis(600);
    for speaks in BOTH {
        let fakes = [1, 2, 3].map(|_| Fake::start(speaks, |_| Act::Silence));
        let server = client(&fakes.each_ref(), timeout);
        let begun = Instant::now();
        let error = infer(&server).unwrap_err();
        let took = begun.elapsed();
        let RemoteError::Several(errors) = &error else { panic!("{error}") };
        assert!(errors.iter().all(|error| matches!(error, RemoteError::Silent { .. })), "{error}");
        assert!((timeout..PATIENCE).contains(&took), "{took:?}");
        assert_eq!(fakes.each_ref().map(Fake::asked), [1, 1, 1]);
    }
}

#[test]
fn a_restarted_server_is_no_failure() {
    for speaks in BOTH {
        let mut fake = Fake::start(speaks, move |_| right(speaks));
        let server = client(&[&fake], PATIENCE);
        for _ in 0..3 {
            infer(&server).unwrap();
            fake.stop();
            fake.resume();
        }
        // It closes the connection just when the next request comes.
        let cuts_the_second = Fake::start(speaks, move |n| if n == 2 { Act::Cut } else { right(speaks) });
        let server = client(&[&cuts_the_second], PATIENCE);
        infer(&server).unwrap();
        infer(&server).unwrap();
        assert_eq!(cuts_the_second.asked(), 3);
    }
}

#[test]
fn requests_are_those_of_the_protocol() {
    let fake = Fake::start(Speaks::Rest, |_| Act::json(200, JSON));
    let address = ServerAddress::parse(&format!("{}/gate/", fake.address)).unwrap();
    let server = Server::new(&[address], PATIENCE, None).unwrap();
    for (elements, datatype, data) in [
        (Elements::F32(&[0.1, -2.0]), "FP32", "[0.1,-2.0]"),
        (Elements::U8(&[0, 255]), "UINT8", "[0,255]"),
        (Elements::I32(&[-1, 7]), "INT32", "[-1,7]"),
    ] {
        server.infer("a/b %", Input { name: "x", shape: &[1, 2], elements }).unwrap();
        let (path, body) = fake.last_request();
        assert_eq!(path, "/gate/v2/models/a%2Fb%20%25/infer");
        let json =
            format!(r#"{{"inputs":[{{"name":"x","shape":[1,2],"datatype":"{datatype}","data":{data}}}]}}"#);
        assert_eq!(body, json);
    }

    let fake = Fake::start(Speaks::Grpc, |_| right(Speaks::Grpc));
    infer(&client(&[&fake], PATIENCE)).unwrap();
    let (path, body) = fake.last_request();
    assert_eq!(path, "/inference.GRPCInferenceService/ModelInfer");
    let input = InferInputTensor { name: "x".to_owned(), datatype: "FP32".to_owned(), shape: vec![1, 2] };
    let expected = ModelInferRequest {
        model_name: "pose".to_owned(),
        inputs: vec![input],
        raw_input_contents: vec![vec![0, 0, 0, 63, 0, 0, 128, 63].into()],
    };
    assert_eq!(ModelInferRequest::decode(&body[5..]).unwrap(), expected);
}

#[test]
fn a_server_says_who_it_is_and_whether_a_model_can_run() {
    let rest = |ready: &'static str| {
        Fake::start_by_path(Speaks::Rest, move |path| match path {
            "/v2" => Act::json(200, r#"{"name": "triton", "version": "2.61.0", "extensions": []}"#),
            _ => Act::json(200, ready),
        })
    };
    let grpc = |ready: bool| {
        Fake::start_by_path(Speaks::Grpc, move |path| match path.rsplit('/').next() {
            Some("ServerMetadata") => Act::message(&ServerMetadataResponse {
                name: "triton".to_owned(),
                version: "2.61.0".to_owned(),
            }),
            _ => Act::message(&ModelReadyResponse { ready }),
        })
    };
    for fake in [rest(""), rest(r#"{"name": "pose", "ready": true}"#), grpc(true)] {
        let server = client(&[&fake], PATIENCE);
        assert_eq!(server.software().unwrap(), "triton 2.61.0");
        assert_eq!(server.ready("pose"), Ok(()));
    }
    for fake in [rest(r#"{"ready": false}"#), grpc(false)] {
        let said = client(&[&fake], PATIENCE).ready("pose").unwrap_err().to_string();
        assert_eq!(said, format!("{} cannot answer now: the model `pose` is not ready", fake.address));
    }
}

#[test]
fn only_the_given_authorities_are_trusted() {
    let (ours, other) = (fake::Authority::new("Ours"), fake::Authority::new("Other"));
    let signed = ours.sign("server", "IP:127.0.0.1");
    for speaks in BOTH {
        let fake = Fake::start_encrypted(speaks, &signed, move |_| right(speaks));
        let address = [ServerAddress::parse(&fake.address).unwrap()];
        let trusting = |authority: &fake::Authority| {
            Server::new(&address, PATIENCE, Some(&authority.certificate())).unwrap()
        };
        assert_eq!(infer(&trusting(&ours)).unwrap()[0].values, OwnedValues::F32(vec![2.5]));
        let said = infer(&trusting(&other)).unwrap_err().to_string();
        let expected = format!("{}: no connection: invalid peer certificate: ", fake.address);
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[test]
fn authorities_that_cannot_be_read_are_named() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let encrypted = ServerAddress::parse("https://127.0.0.1:1").unwrap();
    let plain = ServerAddress::parse("http://127.0.0.1:1").unwrap();
    for path in [
        folder.path().join("missing.pem"),
        file("empty.pem", ""),
        file("wrong.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        let said = Server::new(&[plain.clone(), encrypted.clone()], PATIENCE, Some(&path)).err().unwrap();
        let beginning = format!("no certificate authorities can be read from {}: ", path.display());
        assert!(said.to_string().starts_with(&beginning), "{said}");
        assert!(Server::new(std::slice::from_ref(&plain), PATIENCE, Some(&path)).is_ok());
    }
}
