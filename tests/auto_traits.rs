//! What the layers, services and futures can be used with.

use std::{convert::Infallible, future::Ready};

use tower::Layer;
use tower_throttle_aimd::{
    Adaptive, AdaptiveLayer, Aimd, AimdLayer, Cause, Change, Ended, Paced, PacedPermit, Said, Sent,
    SharedPaced,
};
use tower_throttle_congestion::{Congestion, CongestionLayer, SharedCongestion};
use tower_throttle_core::{
    Backpressure, Limit, Rejected, Shared, future::ResponseFuture, select::Single, track::Untracked,
};
use tower_throttle_token_bucket::{
    Rate, SharedBucket, SlidingWindowLayer, TokenBucket, TokenBucketLayer,
};

fn usable_anywhere<T: Send + Sync + Unpin + 'static>() {}

#[derive(Clone)]
struct Inner;

impl tower::Service<u32> for Inner {
    type Response = u32;
    type Error = Infallible;
    type Future = Ready<Result<u32, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        std::future::ready(Ok(request))
    }
}

type Service = <TokenBucketLayer as Layer<Inner>>::Service;
type Response = ResponseFuture<Inner, u32, TokenBucket, Untracked, tower_throttle_core::Fail>;

#[test]
fn layers_services_and_handles_can_go_anywhere() {
    usable_anywhere::<TokenBucketLayer>();
    usable_anywhere::<SlidingWindowLayer>();
    usable_anywhere::<Service>();
    usable_anywhere::<CongestionLayer>();
    usable_anywhere::<Congestion>();
    usable_anywhere::<SharedCongestion>();
    usable_anywhere::<Limit<Inner, Single<TokenBucket>, Untracked, tower_throttle_core::Fail>>();
    usable_anywhere::<Backpressure<Inner, TokenBucket>>();
    usable_anywhere::<Shared<TokenBucket>>();
    usable_anywhere::<SharedBucket>();
    usable_anywhere::<Rejected>();
}

#[test]
fn what_finds_a_rate_can_go_anywhere() {
    usable_anywhere::<AdaptiveLayer>();
    usable_anywhere::<AimdLayer>();
    usable_anywhere::<Adaptive>();
    usable_anywhere::<Aimd>();
    usable_anywhere::<Paced<Adaptive>>();
    usable_anywhere::<SharedPaced<Adaptive>>();
    usable_anywhere::<PacedPermit>();
    usable_anywhere::<Said<()>>();
    usable_anywhere::<(Sent, Ended, Change, Cause)>();
    usable_anywhere::<<AdaptiveLayer as Layer<Inner>>::Service>();
    usable_anywhere::<<AimdLayer as Layer<Inner>>::Service>();
}

#[test]
fn a_response_future_is_what_its_inner_service_and_request_are() {
    usable_anywhere::<Response>();
}

#[test]
fn a_layer_is_built_outside_a_runtime() {
    let layer = TokenBucketLayer::new(Rate::per_second(1));
    drop(layer.clone().layer(Inner));
    drop(layer.backpressure().layer(Inner));
}
