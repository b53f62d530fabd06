//! What may be repeated, and what may not.

use std::{fmt, io};

use http::{Method, Request};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_throttle_core::BoxError;
use tower_throttle_retry_after::{
    RetryAfterLayer, RetryLayer,
    retry::{Attempts, GivenUp},
};

use crate::{
    exact, get, ms, post, send,
    server::{Reply, Server},
};

async fn attempts(layer: &RetryLayer, request: Request<String>, reply: Reply) -> usize {
    let server = Server::new([reply, Reply::status(200)]);
    let _ = send(layer, server.clone(), request).await;
    server.attempts()
}

fn request(method: &str) -> Request<String> {
    let request = Request::builder().method(method).uri("/");
    request.body(String::new()).unwrap()
}

fn io_error(kind: io::ErrorKind) -> Reply {
    Reply::error(move || io::Error::from(kind))
}

/// The stkai SDK posted again after timeouts and 5xx (W25), reqwest-retry does.
#[tokio::test(start_paused = true)]
async fn after_a_timeout_a_5xx_or_a_broken_connection_only_idempotent_methods_are_repeated() {
    for (method, repeated) in [
        ("GET", true),
        ("HEAD", true),
        ("OPTIONS", true),
        ("TRACE", true),
        ("PUT", true),
        ("DELETE", true),
        ("POST", false),
        ("PATCH", false),
        ("CONNECT", false),
        ("PURGE", false),
    ] {
        for reply in [
            Reply::status(408),
            Reply::status(500),
            Reply::status(502),
            Reply::status(503),
            Reply::status(504),
            Reply::of(500, &[("retry-after", "1")]),
            Reply::of(409, &[("x-should-retry", "true")]),
            Reply::of(200, &[("grpc-status", "14")]),
            Reply::broken(),
            io_error(io::ErrorKind::TimedOut),
            io_error(io::ErrorKind::ConnectionReset),
            io_error(io::ErrorKind::UnexpectedEof),
        ] {
            let found = attempts(&exact(), request(method), reply).await;
            assert_eq!(found, 1 + usize::from(repeated), "{method}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_turned_away_is_repeated_with_any_method() {
    for method in ["GET", "POST", "PATCH", "PURGE"] {
        for reply in [
            Reply::status(429),
            Reply::of(429, &[("retry-after", "1")]),
            Reply::of(503, &[("retry-after", "1")]),
            Reply::of(200, &[("grpc-status", "8")]),
            Reply::of(
                200,
                &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "5")],
            ),
        ] {
            assert_eq!(
                attempts(&exact(), request(method), reply).await,
                2,
                "{method}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_503_whose_retry_after_is_garbage_turned_nobody_away() {
    let reply = Reply::of(503, &[("retry-after", "soon")]);
    assert_eq!(attempts(&exact(), post(), reply).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_repeated_with_any_method() {
    for kind in [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::AddrNotAvailable,
    ] {
        assert_eq!(
            attempts(&exact(), post(), io_error(kind)).await,
            2,
            "{kind}"
        );
    }
    let deep = Reply::error(|| Outer(io::ErrorKind::ConnectionRefused.into()));
    assert_eq!(attempts(&exact(), post(), deep).await, 2);
}

#[derive(Debug)]
struct Outer(io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// A name that doesn't resolve has an error of no kind; only the client knows that it never connected.
#[tokio::test(start_paused = true)]
async fn a_clients_own_errors_are_recognised_by_a_closure() {
    let resolver = service_fn(|_| async {
        Err::<std::vec::IntoIter<std::net::SocketAddr>, _>(io::Error::other("no such name"))
    });
    let connector = HttpConnector::new_with_resolver(resolver);
    let client = Client::builder(TokioExecutor::new()).build::<_, String>(connector);
    let recognise = |error: &(dyn std::error::Error + 'static)| {
        error.downcast_ref().is_some_and(legacy::Error::is_connect)
    };
    for (layer, expected) in [(exact(), 1), (exact().unsent(recognise), 4)] {
        let server = Server::always(200);
        let counted = {
            let (client, server) = (client.clone(), server.clone());
            service_fn(move |request: Request<String>| {
                let (client, server) = (client.clone(), server.clone());
                async move {
                    send(&tower::layer::util::Identity::new(), server, get()).await?;
                    client.request(request).await?;
                    Err::<http::Response<()>, BoxError>("unreachable".into())
                }
            })
        };
        let request = Request::post("http://nowhere.test/").body("hello".into());
        let error = send(&layer, counted, request.unwrap()).await.unwrap_err();
        assert!(error.is::<legacy::Error>(), "{error}");
        assert_eq!(server.attempts(), expected);
    }
}

/// Sends each POST, and then a GET to where it was sent on to, where the limiter lets nobody pass.
async fn posts_sent_through_a_redirect_follower(layer: &RetryLayer) -> usize {
    let server = Server::always(200);
    let limit = RetryAfterLayer::new().max_wait(ms(1000));
    let gate = limit.limiter().clone();
    let client = ServiceBuilder::new().layer(limit).service(server.clone());
    let follower = service_fn(move |request: Request<String>| {
        let (client, gate) = (client.clone(), gate.clone());
        async move {
            client.clone().oneshot(request).await?;
            gate.pause(ms(3000));
            client.oneshot(get()).await
        }
    });
    send(layer, follower, post()).await.unwrap_err();
    server.attempts()
}

/// The first version couldn't be told: whatever had such an error among its causes was sent again.
#[tokio::test(start_paused = true)]
async fn around_what_follows_redirects_nothing_need_count_as_never_sent() {
    let none = exact().default_unsent(|_| false);
    assert_eq!(posts_sent_through_a_redirect_follower(&none).await, 1);
    for kind in [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::AddrNotAvailable,
    ] {
        assert_eq!(attempts(&none, post(), io_error(kind)).await, 1, "{kind}");
        assert_eq!(attempts(&none, get(), io_error(kind)).await, 2, "{kind}");
    }
    // By default it does, as documented.
    assert_eq!(posts_sent_through_a_redirect_follower(&exact()).await, 4);
}

#[tokio::test(start_paused = true)]
async fn what_counts_as_never_sent_can_be_replaced() {
    let connected = |error: &(dyn std::error::Error + 'static)| {
        let kind = error.downcast_ref().map(io::Error::kind);
        kind == Some(io::ErrorKind::NotConnected)
    };
    let layer = exact().default_unsent(connected);
    for (kind, expected) in [
        (io::ErrorKind::NotConnected, 2),
        (io::ErrorKind::ConnectionRefused, 1),
    ] {
        assert_eq!(
            attempts(&layer, post(), io_error(kind)).await,
            expected,
            "{kind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_says_that_a_request_may_be_repeated() {
    let mut request = post();
    let key = "8e03978e-40d5-43e8-bc93-6894a57f9324".parse().unwrap();
    request.headers_mut().insert("idempotency-key", key);
    for reply in [Reply::status(500), Reply::broken()] {
        assert_eq!(attempts(&exact(), request.clone(), reply).await, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_closure_says_which_requests_may_be_repeated() {
    let layer = exact().idempotent(|request: &Request<String>| request.uri() == "/search");
    let search = Request::post("/search").body(String::new()).unwrap();
    for (request, expected) in [(search, 2), (post(), 1), (get(), 1)] {
        let server = Server::new([Reply::broken(), Reply::status(200)]);
        let _ = send(&layer, server.clone(), request).await;
        assert_eq!(server.attempts(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_repeated_ends_in_its_response_which_says_why() {
    let response = send(&exact(), Server::always(500), post()).await.unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(attempts.given_up(), Some(GivenUp::NotIdempotent));
}

#[tokio::test(start_paused = true)]
async fn a_retry_sends_the_same_request() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let server = service_fn(move |request: Request<String>| {
        sender.send(request).unwrap();
        async {
            let response = http::Response::builder().status(429).body(());
            Ok::<_, BoxError>(response?)
        }
    });
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("http://api.test/v1?q=1")
        .version(http::Version::HTTP_2)
        .header("a", "1")
        .header("a", "2")
        .body("hello".to_owned())
        .unwrap();
    request.extensions_mut().insert(7_u8);
    send(&exact().max_retries(1), server, request)
        .await
        .unwrap();
    let (first, second) = (seen.recv().await.unwrap(), seen.recv().await.unwrap());
    for request in [first, second] {
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "http://api.test/v1?q=1");
        assert_eq!(request.version(), http::Version::HTTP_2);
        let values: Vec<_> = request.headers().get_all("a").iter().collect();
        assert_eq!(values, ["1", "2"]);
        assert_eq!(request.extensions().get(), Some(&7_u8));
        assert_eq!(request.body(), "hello");
    }
}
