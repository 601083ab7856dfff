//! Passwords and what is kept of them.

use alloc::string::{String, ToString};

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};

/// Length of the salt of a new secret.
pub const SALT: usize = 16;

/// Whether a password is the one that a secret was made of. An empty secret is the empty password's; one
/// that is no hash (`!`) is nobody's. It takes as long for a user that there is not (`None`) as for one
/// that there is.
#[must_use]
pub fn is_right(secret: Option<&str>, password: &[u8]) -> bool {
    let hash = match secret {
        Some("") => return password.is_empty(),
        Some(secret) => PasswordHash::new(secret).ok(),
        None => None,
    };
    match hash {
        Some(hash) => Argon2::default().verify_password(password, &hash).is_ok(),
        None => {
            // The result is for nobody; the time it takes is.
            let _ = hash_of(password, &[0; SALT]);
            false
        }
    }
}

/// The secret to keep for a password; the salt must not be used twice. `None` if there is no memory.
#[must_use]
pub fn hash_of(password: &[u8], salt: &[u8; SALT]) -> Option<String> {
    if password.is_empty() {
        return Some(String::new());
    }
    let salt = SaltString::encode_b64(salt).ok()?;
    let hash = Argon2::default().hash_password(password, &salt).ok()?;
    Some(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_its_own() {
        let secret = hash_of(b"sesame", &[7; SALT]).unwrap();
        assert!(secret.starts_with("$argon2id$v=19$"));
        assert_ne!(secret, hash_of(b"sesame", &[8; SALT]).unwrap());
        let rows: &[(Option<&str>, &[u8], bool)] = &[
            (Some(&secret), b"sesame", true),
            (Some(&secret), b"Sesame", false),
            (Some(&secret), b"", false),
            (Some(""), b"", true),
            (Some(""), b"x", false),
            (Some("!"), b"!", false),
            (Some("!"), b"", false),
            (Some("x"), b"x", false),
            (Some("$argon2id$nonsense"), b"x", false),
            (None, b"", false),
            (None, b"x", false),
        ];
        for (secret, password, wanted) in rows {
            assert_eq!(is_right(*secret, password), *wanted, "{secret:?}");
        }
    }

    #[test]
    fn what_the_image_writer_makes_is_understood() {
        let config = argon2_of_users::Config::default();
        let made =
            argon2_of_users::hash_encoded(b"password", b"0123456789abcdef", &config).unwrap();
        assert!(is_right(Some(&made), b"password"), "{made}");
        assert!(!is_right(Some(&made), b"passwort"), "{made}");
    }
}
