//! Random lives against the invariants of fast-release 4.5.

use super::*;

/// xorshift64*; the seed is in the message of a failure.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

#[test]
fn random_lives_keep_the_invariants() {
    for seed in 1..=2000_u64 {
        random_life(seed);
    }
}

fn random_life(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let profile = Profile::ALL[random.below(3) as usize];
    let timers = Timers::from(profile);
    let mut world = World::new(timers);
    // Some take the camera with their first check only, some are hidden before that.
    if random.below(4) == 0 {
        world.machine = Machine::new(timers, false, world.now);
        world.held = false;
    }
    world.there = random.below(10) > 0;
    if world.there {
        if random.below(8) == 0 {
            world.machine.park(world.now);
        }
        world.machine.heard(Heard::Check, world.now);
        world.machine.connected("udp", world.now);
        world.drain();
    }
    world.round_trip = ms(1 + random.below(400));
    // When something authentic was heard last, and what excuses a release.
    let mut excused = false;
    let mut slack = ms(0);
    for _ in 0..120 {
        if world.closed {
            break;
        }
        let before = world.outputs.len();
        let mut certain = false;
        match random.below(22) {
            // Checks, the viewer's own or recorded ones, and its data channel.
            20 if world.there => world.machine.heard(Heard::Data, world.now),
            20 | 21 => world.machine.heard(Heard::Check, world.now),
            0 => world.there = true,
            1 => world.vanish(),
            2 => world.media_every = ms(random.below(3) * 200),
            3 | 4 => {
                let hint = Hint::ALL[random.below(8) as usize];
                // A second verified message lets go at once, whatever was heard before it.
                certain = hint == Hint::Icmp || matches!(hint, Hint::WsFin | Hint::WsReset);
                excused |= hint == Hint::Icmp;
                world.machine.hint(hint, world.now);
            }
            5 if random.below(8) == 0 => {
                certain = true;
                excused = true;
                world.machine.proof(Reason::HttpDelete, world.now);
            }
            6 => {
                certain = true;
                world.machine.park(world.now);
            }
            7 => world.machine.resume(world.now),
            8 => world.machine.contended(world.now),
            9 => world.machine.doubt_uplink(world.now + ms(random.below(20_000)), world.now),
            10 => {
                // The process is stopped for a while.
                world.drain();
                let _ = world.machine.deadline(world.now);
                let stop = ms(random.below(4000));
                world.now += stop;
                slack += stop;
                certain = true;
                world.machine.handle_timeout(world.now);
            }
            _ => {}
        }
        world.drain();
        for (at, output) in &world.outputs[before..] {
            if let Output::Release(reason) = output {
                assert!(
                    certain || *reason == Reason::Contended || *reason == Reason::SignallingLost,
                    "seed {seed}: {output:?} at {at:?} by itself"
                );
            }
        }
        let longest = [50, 500, 5000, 40_000][random.below(4) as usize];
        let step = ms(1 + random.below(longest));
        let end = world.now + step;
        while world.now < end && !world.closed {
            let quantum = ms(20).min(end - world.now);
            let heard = world.machine.last_heard();
            let seen = world.outputs.len();
            world.run(quantum);
            let silent = world.now.saturating_duration_since(heard);
            for (at, output) in &world.outputs[seen..] {
                match output {
                    Output::Release(Reason::ConnectTimeout | Reason::Contended) => {}
                    Output::Release(reason) => assert!(
                        silent >= timers.hint_window,
                        "seed {seed}: {reason} at {at:?} after {silent:?}"
                    ),
                    Output::Close(Reason::ConnectTimeout) => {}
                    Output::Close(reason) if !excused => assert!(
                        silent + ms(20) >= timers.silence_min + timers.parked,
                        "seed {seed}: {reason} at {at:?} after {silent:?}"
                    ),
                    _ => {}
                }
            }
            // Silence always ends in a release.
            // (A recorded check of an alive viewer counts for one such time more.)
            let bound = timers.silence_max + slack + ms(40);
            if !world.there && world.machine.is_established() && silent > bound {
                assert!(
                    !world.held,
                    "seed {seed}: held after {silent:?} of silence: {:?}",
                    world.machine
                );
            }
        }
    }
    // In the end everything is let go.
    world.vanish();
    world.run(ms(400_000));
    assert!(!world.held && world.closed, "seed {seed}");
    assert_eq!(world.machine.deadline(world.now), None, "seed {seed}");
}
