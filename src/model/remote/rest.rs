//! The protocol over REST: JSON there and back.
//!
//! Elements are sent as JSON, which all servers take. An answer may hold them as JSON or, after it, as raw bytes (the binary
//! tensor data extension).

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::header::{CONTENT_TYPE, USER_AGENT};
use hyper::http::{Method, Request, StatusCode};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use super::error::Fault;
use super::http::{self, Connections, Reply};
use super::tensor::Header;
use super::{Elements, Input, Output, OwnedValues};

/// The header with the length of the JSON before raw bytes.
const JSON_LENGTH: &str = "inference-header-content-length";

/// How much of an answer that is not JSON is read for a server's words, in bytes.
const WORDS_BYTES: usize = 2048;

/// The service at one address.
pub(super) struct Rest {
    base: Url,
}

#[derive(Deserialize)]
struct Software {
    name: String,
    #[serde(default)]
    version: String,
}

/// What `ready` may answer; nothing at all means yes.
#[derive(Deserialize)]
struct Readiness {
    ready: Option<bool>,
}

#[derive(Serialize)]
struct InferRequest<'a> {
    inputs: [InputTensor<'a>; 1],
}

#[derive(Serialize)]
struct InputTensor<'a> {
    name: &'a str,
    shape: &'a [usize],
    datatype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    F32(&'a [f32]),
    U8(&'a [u8]),
    I32(&'a [i32]),
}

#[derive(Deserialize)]
struct InferResponse<'a> {
    #[serde(borrow)]
    outputs: Vec<OutputTensor<'a>>,
}

#[derive(Deserialize)]
struct OutputTensor<'a> {
    name: String,
    datatype: String,
    shape: Vec<i64>,
    parameters: Option<Parameters>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Parameters {
    binary_data_size: Option<usize>,
}

/// How servers say what went wrong.
#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow, alias = "detail", alias = "message")]
    error: Cow<'a, str>,
}

impl Rest {
    /// The service below a base such as `http://host:8000/`.
    pub(super) fn new(base: Url) -> Self {
        Rest { base }
    }

    pub(super) async fn software(&self, to: &Connections) -> Result<String, Fault> {
        let body = self.call(to, Method::GET, &["v2"], Bytes::new()).await?.body;
        let Software { name, version } = parse(&body)?;
        Ok(format!("{name} {version}").trim().to_owned())
    }

    pub(super) async fn ready(&self, to: &Connections, model: &str) -> Result<(), Fault> {
        let ready = self.call(to, Method::GET, &["v2", "models", model, "ready"], Bytes::new()).await?.body;
        if matches!(serde_json::from_slice(&ready), Ok(Readiness { ready: Some(false) })) {
            return Err(Fault::Busy(format!("the model `{model}` is not ready")));
        }
        Ok(())
    }

    pub(super) async fn infer(
        &self,
        to: &Connections,
        model: &str,
        input: &Input<'_>,
    ) -> Result<Vec<Output>, Fault> {
        let body = serde_json::to_vec(&InferRequest { inputs: [InputTensor::from(input)] })
            .map_err(|error| Fault::Refused(error.to_string()))?;
        read(&self.call(to, Method::POST, &["v2", "models", model, "infer"], body.into()).await?)
    }

    async fn call(
        &self,
        to: &Connections,
        method: Method,
        path: &[&str],
        body: Bytes,
    ) -> Result<Reply, Fault> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, http::USER_AGENT)
            .body(Full::new(body))
            .map_err(|error| Fault::Refused(error.to_string()))?;
        let reply = to.exchange(request).await?;
        if reply.status == StatusCode::OK { Ok(reply) } else { Err(reply.fault(words(&reply))) }
    }
}

impl<'a> From<&Input<'a>> for InputTensor<'a> {
    fn from(input: &Input<'a>) -> Self {
        let data = match input.elements {
            Elements::F32(values) => Data::F32(values),
            Elements::U8(values) => Data::U8(values),
            Elements::I32(values) => Data::I32(values),
        };
        InputTensor { name: input.name, shape: input.shape, datatype: input.elements.datatype(), data }
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|error| Fault::Answer(error.to_string()))
}

/// What a server says of an error.
fn words(reply: &Reply) -> String {
    match serde_json::from_slice(&reply.body) {
        Ok(Refusal { error }) if !error.trim().is_empty() => error.into_owned(),
        _ => {
            let beginning = &reply.body[..reply.body.len().min(WORDS_BYTES)];
            format!("HTTP status {} {}", reply.status, String::from_utf8_lossy(beginning))
        }
    }
}

/// The outputs of an answer.
fn read(reply: &Reply) -> Result<Vec<Output>, Fault> {
    let body = &reply.body;
    let length = match reply.headers.get(JSON_LENGTH) {
        None => body.len(),
        Some(length) => length
            .to_str()
            .ok()
            .and_then(|length| length.parse().ok())
            .filter(|&length| length <= body.len())
            .ok_or_else(|| Fault::Answer(format!("it has a wrong {JSON_LENGTH}")))?,
    };
    let (json, mut raw) = body.split_at(length);
    let InferResponse { outputs } = parse(json)?;
    outputs.into_iter().map(|output| output.read(&mut raw)).collect()
}

impl OutputTensor<'_> {
    /// Takes its elements from the JSON, or from the raw bytes that are left.
    fn read(self, raw: &mut &[u8]) -> Result<Output, Fault> {
        let OutputTensor { name, datatype, shape, parameters, data } = self;
        let header = Header { name, datatype, shape };
        if let Some(size) = parameters.and_then(|parameters| parameters.binary_data_size) {
            let (own, others) = raw
                .split_at_checked(size)
                .ok_or_else(|| Fault::Answer(format!("the output `{}` is not whole", header.name)))?;
            *raw = others;
            return header.with_raw(own);
        }
        let json = data.map_or("[]", RawValue::get);
        let most = header.count()?;
        let values = match header.datatype.as_str() {
            "FP32" => OwnedValues::F32(elements(json, most, &header.name)?),
            "INT32" => OwnedValues::I32(elements(json, most, &header.name)?),
            "INT64" => OwnedValues::I64(elements(json, most, &header.name)?),
            other => OwnedValues::Other(other.to_owned()),
        };
        header.with(values)
    }
}

/// Reads elements that stand in a list, or in lists of lists.
fn elements<T: Element>(json: &str, most: usize, name: &str) -> Result<Vec<T>, Fault> {
    let mut read = Vec::new();
    Flat { into: &mut read, most }
        .deserialize(&mut serde_json::Deserializer::from_str(json))
        .map_err(|error| Fault::Answer(format!("the output `{name}`: {error}")))?;
    Ok(read)
}

/// An element that JSON can hold.
trait Element: Sized {
    fn integer(value: i64) -> Option<Self>;
    fn number(value: f64) -> Option<Self>;
    fn null() -> Option<Self>;
}

impl Element for f32 {
    fn integer(value: i64) -> Option<Self> {
        Some(value as f32)
    }
    fn number(value: f64) -> Option<Self> {
        Some(value as f32)
    }
    fn null() -> Option<Self> {
        Some(f32::NAN)
    }
}

impl Element for i32 {
    fn integer(value: i64) -> Option<Self> {
        value.try_into().ok()
    }
    fn number(_: f64) -> Option<Self> {
        None
    }
    fn null() -> Option<Self> {
        None
    }
}

impl Element for i64 {
    fn integer(value: i64) -> Option<Self> {
        Some(value)
    }
    fn number(_: f64) -> Option<Self> {
        None
    }
    fn null() -> Option<Self> {
        None
    }
}

/// Reads elements one after the other, however they are nested, and no more than fit.
struct Flat<'a, T> {
    into: &'a mut Vec<T>,
    most: usize,
}

impl<T> Flat<'_, T> {
    fn push<E: Error>(self, element: Option<T>) -> Result<(), E> {
        let element = element.ok_or_else(|| E::custom("an element is none of its type"))?;
        if self.into.len() == self.most {
            return Err(E::custom("more elements than its shape takes"));
        }
        self.into.push(element);
        Ok(())
    }
}

impl<'de, T: Element> DeserializeSeed<'de> for Flat<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: Element> Visitor<'de> for Flat<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.push(T::integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let element = match i64::try_from(value) {
            Ok(value) => T::integer(value),
            Err(_) => T::number(value as f64),
        };
        self.push(element)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.push(T::number(value))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.push(T::null())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Flat { into: &mut *self.into, most: self.most })?.is_some() {}
        Ok(())
    }
}
