//! Any bytes as a certificate.

/// Reads and verifies `bytes` as a certificate. A valid one must be valid after it is written.
pub fn check(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match lossc::certificate::read(&text) {
        Ok(certificate) => {
            let written = serde_json::to_string(&certificate).expect("it was read from JSON");
            let again = lossc::certificate::read(&written).expect("it holds");
            assert_eq!(again, certificate);
            true
        }
        Err(error) => {
            let _shown = error.to_string();
            false
        }
    }
}
