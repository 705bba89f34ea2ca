//! The URLs of objects.

use object_store::ObjectStoreScheme;
use object_store::path::Path;
use url::Url;

use crate::ObjectError;

/// The schemes of stores.
const SCHEMES: [&str; 10] = [
    "s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "http", "https",
];

/// The URL of an object.
#[derive(Debug)]
pub(crate) struct ObjectUrl {
    pub(crate) url: Url,
    pub(crate) scheme: ObjectStoreScheme,
    /// Its name in the store.
    pub(crate) path: Path,
    /// The URL as it is told.
    pub(crate) name: String,
}

impl ObjectUrl {
    /// # Errors
    ///
    /// [`ObjectError::Url`].
    pub(crate) fn parse(text: &str) -> Result<Self, ObjectError> {
        // What cannot be parsed is not told: a password can be anywhere in it.
        let refused = |url: &str, reason: &str| ObjectError::Url {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        let url = Url::parse(text).map_err(|error| refused("the text", &error.to_string()))?;
        let name = without_secrets(&url);
        if !SCHEMES.contains(&url.scheme()) {
            let known = "expected s3://, gs://, az://, abfss://, http:// or https://";
            return Err(refused(&name, known));
        }
        let (scheme, path) = ObjectStoreScheme::parse(&url)
            .map_err(|_| refused(&name, "it has no host, or characters that no store takes"))?;
        if path.as_ref().is_empty() {
            return Err(refused(&name, "the name of the object is missing"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            let why = "a query, such as that of a signed URL, and what follows `#` are not sent to a store";
            return Err(refused(&name, why));
        }
        let is_secret = url.password().is_some() || (is_http(&url) && !url.username().is_empty());
        if is_secret {
            let why = "a user and a password in a URL are not used; credentials are taken from the environment";
            return Err(refused(&name, why));
        }
        Ok(Self {
            url,
            scheme,
            path,
            name,
        })
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// The URL without what can be secret. (In Azure's URLs the container stands where a user does in others.)
pub(crate) fn without_secrets(url: &Url) -> String {
    let container = match is_http(url) || url.username().is_empty() || url.password().is_some() {
        true => String::new(),
        false => format!("{}@", url.username()),
    };
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{container}{host}{port}{}", url.scheme(), url.path())
}

#[cfg(test)]
mod tests {
    use super::ObjectUrl;

    #[test]
    fn no_secret_of_a_url_is_told() {
        for url in [
            "https://me:hunter2@h/k",
            "https://hunter2@h/k",
            "https://h/k?X-Amz-Signature=hunter2",
            "https://h/k#hunter2",
            "abfss://c:hunter2@a.dfs.core.windows.net/k",
            "s3://me:hunter2@b/k",
            "https://me:hunter2@h:port/k",
        ] {
            let error = ObjectUrl::parse(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        for (url, name, path) in [
            ("s3://b/a/k.h5", "s3://b/a/k.h5", "a/k.h5"),
            ("http://127.0.0.1:80/k", "http://127.0.0.1/k", "k"),
            ("https://h:8443/k", "https://h:8443/k", "k"),
            (
                "abfss://c@a.dfs.core.windows.net/k",
                "abfss://c@a.dfs.core.windows.net/k",
                "k",
            ),
        ] {
            let found = ObjectUrl::parse(url).unwrap();
            assert_eq!((&*found.name, found.path.as_ref()), (name, path));
        }
        for url in ["s3://bucket", "s3:///k", "file:///a", "ftp://h/k"] {
            assert!(ObjectUrl::parse(url).is_err(), "{url}");
        }
    }
}
