//! Names of sessions, and what a session sees of its source.

use super::*;

mod changes;
mod late;

#[test]
fn ids_are_letters_and_digits() {
    for _ in 0..100 {
        let id = new_id().unwrap();
        assert_eq!(id.len(), ID_LENGTH);
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    }
}
