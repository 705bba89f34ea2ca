//! The store of a URL, with what the environment says of it.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::multipart::MultipartStore;
use object_store::{
    BackoffConfig, ClientOptions, HeaderMap, HeaderValue, ObjectStore, ObjectStoreScheme,
    RetryConfig,
};
use url::{Position, Url};

use crate::error::Failure;
use crate::url::{ObjectUrl, without_secrets};
use crate::{ObjectError, ObjectOptions};

/// A store.
pub(crate) struct Store {
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// The same, as it takes objects in parts; HTTP servers take none.
    pub(crate) parts: Option<Arc<dyn MultipartStore>>,
}

impl Store {
    pub(crate) fn of<S: ObjectStore + MultipartStore>(store: S) -> Self {
        let store = Arc::new(store);
        Self {
            objects: Arc::clone(&store) as _,
            parts: Some(store),
        }
    }
}

/// The longest that a server may take to accept a connection.
const CONNECTING: Duration = Duration::from_secs(10);

/// The variable that names an account of Azure.
const ACCOUNT: &str = "AZURE_STORAGE_ACCOUNT_NAME";

/// Variables that say which store is meant.
const PLACES: [&str; 7] = [
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    ACCOUNT,
    "AZURE_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
    "GOOGLE_BASE_URL",
];

/// Variables that are addresses of servers.
const ADDRESSES: [&str; 9] = [
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_METADATA_ENDPOINT",
    "AZURE_ENDPOINT",
    "AZURE_MSI_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
    "GOOGLE_BASE_URL",
];

/// A builder with what the environment has under this prefix.
macro_rules! from_environment {
    ($object:expr, $builder:expr, $prefix:literal) => {{
        let mut builder = $builder;
        let all = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        for (name, value) in all.filter(|(name, _)| name.starts_with($prefix)) {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                check($object, &name, &value)?;
                builder = builder.with_config(key, value);
            }
        }
        builder
    }};
}

/// The store that an object is in.
///
/// # Errors
///
/// [`ObjectError::Store`], where something is missing that has to be said of it.
pub(crate) fn open(object: &ObjectUrl, options: &ObjectOptions) -> Result<Store, ObjectError> {
    use_ring();
    let url = object.url.as_str();
    let (client, retry) = (client(object, options), retry(options));
    let built = match object.scheme {
        ObjectStoreScheme::AmazonS3 => {
            let builder = AmazonS3Builder::new().with_client_options(client);
            let builder = from_environment!(object, builder.with_retry(retry), "AWS_");
            builder.with_url(url).build().map(Store::of)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let builder = GoogleCloudStorageBuilder::new().with_client_options(client);
            let builder = from_environment!(object, builder.with_retry(retry), "GOOGLE_");
            builder.with_url(url).build().map(Store::of)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let builder = MicrosoftAzureBuilder::new().with_client_options(client);
            let builder = from_environment!(object, builder.with_retry(retry), "AZURE_");
            builder.with_url(url).build().map(Store::of)
        }
        _ => HttpBuilder::new()
            .with_url(&object.url[..Position::BeforePath])
            .with_client_options(client)
            .with_retry(retry)
            .build()
            .map(|store| Store {
                objects: Arc::new(store),
                parts: None,
            }),
    };
    built.map_err(|error| not_built(object, error))
}

/// The store of S3 that an object is in, as it completes an upload only if there is no object of its name
/// (`If-None-Match: *`).
pub(crate) fn open_only_new(
    object: &ObjectUrl,
    options: &ObjectOptions,
) -> Result<Arc<dyn MultipartStore>, ObjectError> {
    use_ring();
    let mut only_new = HeaderMap::new();
    only_new.insert("if-none-match", HeaderValue::from_static("*"));
    let client = client(object, options).with_default_headers(only_new);
    let builder = AmazonS3Builder::new().with_client_options(client);
    let builder = from_environment!(object, builder.with_retry(retry(options)), "AWS_");
    match builder.with_url(object.url.as_str()).build() {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => Err(not_built(object, error)),
    }
}

/// Where an object is, in words without secrets: its URL, and what the environment says of the store besides. The same
/// URL is another object in another store.
pub(crate) fn place(object: &ObjectUrl) -> String {
    let prefix = match object.scheme {
        ObjectStoreScheme::AmazonS3 => "AWS_",
        ObjectStoreScheme::GoogleCloudStorage => "GOOGLE_",
        _ => "AZURE_",
    };
    let mut place = object.name.clone();
    for name in PLACES.iter().filter(|name| name.starts_with(prefix)) {
        let Ok(value) = std::env::var(name) else {
            continue;
        };
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        match Url::parse(&value) {
            Ok(url) => place += &format!(" at {}", without_secrets(&url)),
            Err(_) if *name == ACCOUNT && value.bytes().all(is_word) => {
                place += &format!(" of {value}");
            }
            Err(_) => {}
        }
    }
    place
}

fn client(object: &ObjectUrl, options: &ObjectOptions) -> ClientOptions {
    // How long it may take is decided for each part of an answer, not for all of it.
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECTING.min(options.timeout))
        .with_allow_http(object.url.scheme() == "http")
}

/// Failed requests are made anew here, where all of an answer is known.
fn retry(options: &ObjectOptions) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 0,
        retry_timeout: options.timeout,
    }
}

/// Refuses what `object_store` would panic on when it makes the first request.
fn check(object: &ObjectUrl, name: &str, value: &str) -> Result<(), ObjectError> {
    let refused = |reason: String| ObjectError::Store {
        url: object.name.clone(),
        reason,
    };
    let is_visible = |byte: u8| matches!(byte, b' '..=b'~');
    if !value.bytes().all(is_visible) {
        let why = "has a line break, or another character that no request has room for";
        return Err(refused(format!("the environment variable {name} {why}")));
    }
    let is_address =
        |url: &Url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if ADDRESSES.contains(&name) && !Url::parse(value).is_ok_and(|url| is_address(&url)) {
        let expected = "is not an address; expected http://HOST:PORT or https://HOST";
        return Err(refused(format!(
            "the environment variable {name} {expected}"
        )));
    }
    Ok(())
}

fn not_built(object: &ObjectUrl, error: object_store::Error) -> ObjectError {
    ObjectError::Store {
        url: object.name.clone(),
        reason: Failure::from(error).reason,
    }
}

/// Lets TLS go by ring, unless the program has chosen something else.
pub(crate) fn use_ring() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread can have been faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
