//! The protocol over gRPC: one call is one message there and one back, on HTTP/2.
//!
//! A message has five bytes before it: 0 (not compressed) and its length, big-endian. How the call went is in `grpc-status`,
//! after the message or, when there is none, in the headers. See the gRPC project's `PROTOCOL-HTTP2.md`.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body_util::Full;
use hyper::http::header::{CONTENT_TYPE, TE, USER_AGENT};
use hyper::http::{HeaderMap, Request, StatusCode};
use prost::Message;
use url::Url;

use super::error::Fault;
use super::http::{self, Connections, Reply};
use super::messages::{
    InferInputTensor, InferOutputTensor, ModelInferRequest, ModelInferResponse, ModelReadyRequest,
    ModelReadyResponse, ServerMetadataRequest, ServerMetadataResponse,
};
use super::tensor::{Header, raw_elements};
use super::{Input, Output, OwnedValues};

/// Bytes before a message.
const PREFIX: usize = 5;

/// The most fields that a message may have, its parts' fields not counted: each takes more memory than it has bytes.
const MOST_FIELDS: usize = 1024;

/// The service at one address.
pub(super) struct Grpc {
    service: String,
}

impl Grpc {
    /// The service at a base such as `http://host:8001/`.
    pub(super) fn new(mut base: Url) -> Self {
        base.set_path("inference.GRPCInferenceService/");
        Grpc { service: base.into() }
    }

    pub(super) async fn software(&self, to: &Connections, patience: Duration) -> Result<String, Fault> {
        let ServerMetadataResponse { name, version } =
            self.call(to, "ServerMetadata", &ServerMetadataRequest {}, patience).await?;
        Ok(format!("{name} {version}").trim().to_owned())
    }

    pub(super) async fn ready(&self, to: &Connections, model: &str, patience: Duration) -> Result<(), Fault> {
        let request = ModelReadyRequest { name: model.to_owned() };
        let ModelReadyResponse { ready } = self.call(to, "ModelReady", &request, patience).await?;
        if ready { Ok(()) } else { Err(Fault::Busy(format!("the model `{model}` is not ready"))) }
    }

    pub(super) async fn infer(
        &self,
        to: &Connections,
        model: &str,
        input: &Input<'_>,
        patience: Duration,
    ) -> Result<Vec<Output>, Fault> {
        let tensor = InferInputTensor {
            name: input.name.to_owned(),
            datatype: input.elements.datatype().to_owned(),
            shape: input.shape.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect(),
        };
        let request = ModelInferRequest {
            model_name: model.to_owned(),
            inputs: vec![tensor],
            raw_input_contents: vec![raw_elements(&input.elements)],
        };
        let ModelInferResponse { outputs, raw_output_contents } =
            self.call(to, "ModelInfer", &request, patience).await?;
        match raw_output_contents.len() {
            0 => outputs.into_iter().map(with_contents).collect(),
            raw if raw == outputs.len() => outputs
                .into_iter()
                .zip(raw_output_contents)
                .map(|(output, raw)| header(&output).with_raw(&raw))
                .collect(),
            raw => Err(Fault::Answer(format!("it has {} outputs, and the elements of {raw}", outputs.len()))),
        }
    }

    /// One call. The server is told how long it has, so that it need not answer when nobody waits any more.
    async fn call<Answer: Message + Default>(
        &self,
        to: &Connections,
        method: &str,
        message: &impl Message,
        patience: Duration,
    ) -> Result<Answer, Fault> {
        let request = Request::post(format!("{}{method}", self.service))
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers")
            .header(USER_AGENT, http::USER_AGENT)
            .header("grpc-timeout", timeout(patience))
            .body(Full::new(frame(message)))
            .map_err(|error| Fault::Refused(error.to_string()))?;
        let reply = to.exchange(request).await?;
        check(&reply)?;
        let message = unframe(reply.body)?;
        count_fields(message.clone())?;
        Answer::decode(message).map_err(|error| Fault::Answer(error.to_string()))
    }
}

/// The header `grpc-timeout`, of at most eight digits.
fn timeout(patience: Duration) -> String {
    format!("{}m", patience.as_millis().clamp(1, 99_999_999))
}

pub(super) fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(PREFIX + length);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode(&mut framed).expect("it has been given its length");
    framed.freeze()
}

fn unframe(mut body: Bytes) -> Result<Bytes, Fault> {
    let wrong = |why: &str| Fault::Answer(why.to_owned());
    let compressed = body.try_get_u8().map_err(|_| wrong("it holds no message"))?;
    let length = body.try_get_u32().map_err(|_| wrong("it holds no whole message"))?;
    if compressed != 0 {
        return Err(wrong("its message is compressed"));
    }
    if usize::try_from(length).ok() != Some(body.len()) {
        return Err(wrong("it holds more or less than one message"));
    }
    Ok(body)
}

/// Whether the call went well.
fn check(reply: &Reply) -> Result<(), Fault> {
    let of = |headers: &HeaderMap, name| headers.get(name).map(|value| percent_decode(value.as_bytes()));
    let either = |name| of(&reply.trailers, name).or_else(|| of(&reply.headers, name));
    let Some(status) = either("grpc-status") else {
        return Err(match reply.status {
            StatusCode::OK => Fault::Answer("it has no gRPC status".to_owned()),
            StatusCode::NOT_FOUND => {
                Fault::Answer("HTTP status 404; does it speak gRPC on this port?".to_owned())
            }
            status => reply.fault(format!("HTTP status {status}")),
        });
    };
    let words = either("grpc-message").unwrap_or_default();
    match status.parse::<u8>() {
        Ok(0) => Ok(()),
        Ok(code) => Err(refusal(code, words)),
        Err(_) => Err(Fault::Answer(format!("its gRPC status is `{status}`"))),
    }
}

/// What the status codes of gRPC mean here.
fn refusal(code: u8, words: String) -> Fault {
    let name = match code {
        1 => "CANCELLED",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        16 => "UNAUTHENTICATED",
        _ => "UNKNOWN",
    };
    let words = if words.is_empty() { format!("gRPC status {name}") } else { words };
    match code {
        1 | 4 | 8 | 10 | 14 => Fault::Busy(words),
        5 => Fault::Unknown(words),
        3 | 7 | 9 | 11 | 12 | 16 => Fault::Refused(words),
        _ => Fault::Failed(words),
    }
}

/// `grpc-message` has `%` and two hex digits for what a header may not hold.
fn percent_decode(value: &[u8]) -> String {
    let hex = |digit: Option<&u8>| digit.and_then(|&digit| char::from(digit).to_digit(16));
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        match (first, hex(after.first()), hex(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                rest = &after[2..];
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Refuses a message of very many fields before memory is taken for them.
fn count_fields(mut message: Bytes) -> Result<(), Fault> {
    let wrong = || Fault::Answer("it holds no whole message".to_owned());
    let number = |message: &mut Bytes| prost::decode_length_delimiter(message).map_err(|_| wrong());
    let mut count = 0;
    while message.has_remaining() {
        let length = match number(&mut message)? & 7 {
            0 => number(&mut message).map(|_| 0)?,
            1 => 8,
            2 => number(&mut message)?,
            5 => 4,
            _ => return Err(wrong()),
        };
        if length > message.len() {
            return Err(wrong());
        }
        message.advance(length);
        count += 1;
        if count > MOST_FIELDS {
            return Err(Fault::Answer(format!("it has more than {MOST_FIELDS} outputs")));
        }
    }
    Ok(())
}

fn header(output: &InferOutputTensor) -> Header {
    let InferOutputTensor { name, datatype, shape, .. } = output;
    Header { name: name.clone(), datatype: datatype.clone(), shape: shape.clone() }
}

/// An output whose elements stand beside its name.
fn with_contents(output: InferOutputTensor) -> Result<Output, Fault> {
    let header = header(&output);
    let contents = output.contents.unwrap_or_default();
    let values = match header.datatype.as_str() {
        "FP32" => OwnedValues::F32(contents.fp32_contents),
        "INT32" => OwnedValues::I32(contents.int_contents),
        "INT64" => OwnedValues::I64(contents.int64_contents),
        other => OwnedValues::Other(other.to_owned()),
    };
    header.with(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_must_be_whole_and_alone() {
        for (body, expected) in [
            (&[0, 0, 0, 0, 0][..], Ok(&[][..])),
            (&[0, 0, 0, 0, 2, 7, 8], Ok(&[7, 8])),
            (&[], Err("it holds no message")),
            (&[0, 0, 0], Err("it holds no whole message")),
            (&[1, 0, 0, 0, 0], Err("its message is compressed")),
            (&[0, 0, 0, 0, 1, 7, 8], Err("it holds more or less than one message")),
        ] {
            let expected = expected.map(Bytes::from_static).map_err(|why| Fault::Answer(why.to_owned()));
            assert_eq!(unframe(Bytes::from_static(body)), expected, "{body:?}");
        }
    }

    #[test]
    fn many_fields_are_refused_before_they_are_read() {
        for (message, is_right) in [
            (vec![], true),
            (vec![0x08, 0x96, 0x01, 0x12, 1, 9, 0x1D, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0], true),
            ([0x2A, 0].repeat(MOST_FIELDS), true),
            ([0x2A, 0].repeat(MOST_FIELDS + 1), false),
            (vec![0x2A, 9, 1], false),
            (vec![0x2B], false),
            (vec![0x80], false),
        ] {
            assert_eq!(
                count_fields(Bytes::from(message.clone())).is_ok(),
                is_right,
                "{:?}",
                message.get(..4)
            );
        }
    }

    #[test]
    fn headers_are_written_and_read_as_grpc_says() {
        for (wire, text) in
            [("a%20b%C3%A9", "a bé"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%FF", "\u{FFFD}")]
        {
            assert_eq!(percent_decode(wire.as_bytes()), text);
        }
        for (patience, header) in
            [(Duration::ZERO, "1m"), (Duration::from_millis(1500), "1500m"), (Duration::MAX, "99999999m")]
        {
            assert_eq!(timeout(patience), header);
        }
    }
}
