//! Claims: said, checked and counted.

use std::fmt::Debug;

use super::DemoError;
use crate::render::Out;

/// The claims made so far, all of which held.
#[derive(Debug, Default)]
pub(super) struct Claims {
    held: u64,
}

impl Claims {
    /// Checks that what was found is what the claim needs, and says so.
    pub(super) fn check<T: PartialEq + Debug>(
        &mut self,
        out: &mut Out<'_>,
        claim: &str,
        expected: &T,
        found: &T,
    ) -> Result<(), DemoError> {
        if expected != found {
            let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
            return Err(DemoError::Claim { claim: claim.to_owned(), expected, found });
        }
        self.held += 1;
        Ok(out.line(format!("   ✓ {claim}"))?)
    }

    pub(super) fn held(&self) -> u64 {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_does_not_hold_ends_the_demo_and_is_not_counted() {
        let mut bytes = Vec::new();
        let mut claims = Claims::default();
        claims.check(&mut Out::new(&mut bytes), "rows are there", &3, &3).unwrap();
        let error = claims.check(&mut Out::new(&mut bytes), "no row is lost", &3, &2).unwrap_err();
        assert_eq!(error.to_string(), "report this as a bug: no row is lost: expected 3, found 2");
        assert_eq!((claims.held(), String::from_utf8(bytes).unwrap().as_str()), (1, "   ✓ rows are there\n"));
    }
}
