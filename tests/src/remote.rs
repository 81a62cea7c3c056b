//! The routes of remote admin, called without a door: each call goes straight to the router, from whom the test says.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request};
use hotswap::remote::wire::Problem;
use hotswap::remote::{Api, Caller, Role, router};
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// The routes, and the runtime that they are called on: one thread, as a program has it.
#[derive(Debug)]
pub struct Server {
    /// For what is not simply called and answered.
    pub runtime: Runtime,
    router: Router,
}

/// A call, before it is made.
#[derive(Debug, Clone)]
pub struct Call {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    caller: Option<Caller>,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Somebody of this role, called `alice` by a door that these tests do not have.
#[must_use]
pub fn caller(role: Role) -> Caller {
    Caller { who: "alice".to_owned(), from: "a test".to_owned(), role }
}

impl Server {
    /// The routes with what they are to offer.
    ///
    /// # Panics
    ///
    /// If the system has no thread to give.
    #[must_use]
    pub fn new(api: Api) -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a thread can be had");
        Self { runtime, router: router(api) }
    }

    /// The call, as something that can be waited for, or dropped.
    ///
    /// # Panics
    ///
    /// If the call is none.
    pub fn begin(&self, call: Call) -> impl Future<Output = Reply> + Send + 'static {
        let router = self.router.clone();
        async move {
            let response = router.oneshot(call.request()).await.expect("a router answers everything");
            let (parts, body) = response.into_parts();
            let body = body.collect().await.expect("it is whole").to_bytes();
            Reply { status: parts.status.as_u16(), headers: parts.headers, body }
        }
    }

    /// Makes a call and waits for the answer.
    pub fn call(&self, call: Call) -> Reply {
        self.runtime.block_on(self.begin(call))
    }

    /// As [`Server::call`], of a call by an admin without a body.
    pub fn get(&self, path: &str) -> Reply {
        self.call(Call::get(path))
    }

    /// As [`Server::call`], of a call by an admin with a body of JSON.
    pub fn post(&self, path: &str, body: &impl Serialize) -> Reply {
        self.call(Call::post(path, body))
    }

    /// An answer as it begins: its body may have no end.
    ///
    /// # Panics
    ///
    /// If the call is none.
    pub fn open(&self, call: Call) -> axum::response::Response {
        self.runtime.block_on(self.router.clone().oneshot(call.request())).expect("a router answers everything")
    }
}

impl Call {
    /// A call by an admin.
    #[must_use]
    pub fn new(method: Method, path: &str) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { method, path: path.to_owned(), headers, body, caller: Some(caller(Role::Admin)) }
    }

    /// Looks.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    /// With a body of JSON.
    #[must_use]
    pub fn post(path: &str, body: &impl Serialize) -> Self {
        Self::new(Method::POST, path).json(body)
    }

    /// With a body of JSON.
    #[must_use]
    pub fn put(path: &str, body: &impl Serialize) -> Self {
        Self::new(Method::PUT, path).json(body)
    }

    /// With this body.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    #[must_use]
    pub fn json(self, body: &impl Serialize) -> Self {
        self.bytes("application/json", serde_json::to_vec(body).expect("it can be written"))
    }

    /// With this body, of this type.
    #[must_use]
    pub fn bytes(mut self, media_type: &str, body: Vec<u8>) -> Self {
        self.body = body;
        self.header("content-type", media_type)
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Under an `Idempotency-Key`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// By somebody else, or by nobody who is known.
    #[must_use]
    pub fn by(mut self, caller: impl Into<Option<Caller>>) -> Self {
        self.caller = caller.into();
        self
    }

    fn request(self) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(Body::from(self.body)).expect("it is a call");
        if let Some(caller) = self.caller {
            request.extensions_mut().insert(caller);
        }
        request
    }
}

impl Reply {
    /// The body as what it is to be.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        self.read()
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The refusal that it is: its status and its name, which agree with each other and with the headers.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: Problem = self.read();
        assert_eq!(problem.status, self.status, "{self:?}");
        assert!(problem.kind.starts_with(Problem::PREFIX) && !problem.title.is_empty(), "{self:?}");
        (self.status, problem.name().to_owned())
    }

    /// What a refusal says stands in the way.
    #[must_use]
    pub fn blocker(&self) -> Value {
        self.json()["blocker"].clone()
    }
}
