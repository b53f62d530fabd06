//! What a limiter reports is told once, and without the lock.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Instant,
};

use tower_throttle_core::{Limiter, Report, Shared, Wait};

use crate::probe::{join, jump, now, secs, woken};

/// What was told: the name of the limiter, and how many waited then.
type Told = Arc<Mutex<Vec<(Option<String>, usize)>>>;

/// Reports each time it is changed, by a look at itself from outside.
#[derive(Debug)]
struct Chatty {
    open_at: Option<Instant>,
    news: bool,
    handle: Arc<OnceLock<Shared<Self>>>,
    told: Told,
}

impl Limiter for Chatty {
    type Cost = ();
    type Permit = ();
    type Feedback = ();

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        self.open_at.map_or(Wait::Now, |at| Wait::until(at, now))
    }

    fn take(&mut self, _cost: (), _at: Instant) {
        self.news = true;
    }

    fn cancel(&mut self, _permit: (), _now: Instant) {}

    fn complete(&mut self, _permit: (), _feedback: Option<()>, _now: Instant) {
        self.news = true;
    }

    fn report(&mut self) -> Option<Report> {
        let (handle, told) = (self.handle.clone(), self.told.clone());
        std::mem::take(&mut self.news).then(|| -> Report {
            Box::new(move |name| {
                let waiting = handle.get().map_or(0, |shared| shared.snapshot().waiting);
                let told = &mut told.lock().unwrap();
                told.push((name.map(str::to_owned), waiting));
            })
        })
    }
}

fn chatty(open_at: Option<Instant>) -> (Shared<(Chatty, ())>, Shared<Chatty>, Told) {
    let (handle, told) = (Arc::new(OnceLock::new()), Told::default());
    let new = || Chatty {
        open_at,
        news: false,
        handle: handle.clone(),
        told: told.clone(),
    };
    let (alone, paired) = (Shared::new(new()), Shared::new((new(), ())));
    alone.set_name("chatty");
    handle.set(alone.clone()).unwrap();
    (paired, alone, told)
}

#[tokio::test(start_paused = true)]
async fn a_report_may_come_back_to_the_limiter_that_it_is_about() {
    let (_, shared, told) = chatty(None);
    drop(shared.try_acquire(()).unwrap().spend());
    assert_eq!(*told.lock().unwrap(), [(Some("chatty".to_owned()), 0)]);
}

#[tokio::test(start_paused = true)]
async fn what_happens_when_the_line_moves_is_told_too() {
    let (_, shared, told) = chatty(Some(now() + secs(1)));
    let line = join(&shared, [(), ()]);
    assert!(told.lock().unwrap().is_empty());
    jump(secs(1)).await;
    assert_eq!(woken(&line), 2);
    assert_eq!(*told.lock().unwrap(), [(Some("chatty".to_owned()), 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_pair_tells_what_either_of_its_limiters_has_to_tell() {
    let (paired, _, told) = chatty(None);
    paired.update(|_, _| ());
    assert!(told.lock().unwrap().is_empty());
    drop(paired.try_acquire(((), ())).unwrap().spend());
    assert_eq!(*told.lock().unwrap(), [(None, 0)]);
}
