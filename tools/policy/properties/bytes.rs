// SPDX-License-Identifier: GPL-2.0

//! Programs of all machines, from random bytes, as libFuzzer makes them.

use super::cases;
use crate::machines::ALL;
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn all_machines_are_what_their_models_are(
        machine in prop::sample::select(&ALL[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let (_, run) = machine;
        run(&bytes);
    }
}
