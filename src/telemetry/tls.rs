//! TLS to a collector: whom to trust besides the system's authorities, and who we are.

use std::{fs, io, path::Path};

use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};

use super::settings::TlsFiles;

/// The files, read.
#[derive(Default)]
pub(super) struct Pem {
    authorities: Option<Vec<u8>>,
    client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Why they are of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum PemError {
    #[error("cannot read {path}")]
    Unreadable { path: String, source: io::Error },
    #[error("a file of OTEL_EXPORTER_OTLP_CERTIFICATE or _CLIENT_* holds no PEM of its sort")]
    Malformed { source: reqwest::Error },
}

impl Pem {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, PemError> {
        let client = match &files.client {
            Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
            None => None,
        };
        Ok(Self { authorities: files.authorities.as_deref().map(read).transpose()?, client })
    }

    /// For gRPC.
    pub(super) fn tonic(&self) -> ClientTlsConfig {
        let mut config = ClientTlsConfig::new().with_enabled_roots();
        if let Some(pem) = &self.authorities {
            config = config.ca_certificate(Certificate::from_pem(pem));
        }
        match &self.client {
            Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
            None => config,
        }
    }

    /// For HTTP.
    pub(super) fn reqwest(
        &self,
        mut builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, PemError> {
        let malformed = |source| PemError::Malformed { source };
        if let Some(pem) = &self.authorities {
            let authorities = reqwest::Certificate::from_pem_bundle(pem).map_err(malformed)?;
            builder = builder.tls_certs_merge(authorities);
        }
        if let Some((certificate, key)) = &self.client {
            let both = [certificate.as_slice(), b"\n", key].concat();
            builder = builder.identity(reqwest::Identity::from_pem(&both).map_err(malformed)?);
        }
        Ok(builder)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    fs::read(path)
        .map_err(|source| PemError::Unreadable { path: path.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;

    use super::*;

    #[test]
    fn files_are_read_and_those_that_are_none_are_told() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(path("cert.pem"), made.cert.pem()).unwrap();
        fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(path("none.pem"), "nothing").unwrap();
        let files = |authorities: &str, key: &str| TlsFiles {
            authorities: Some(path(authorities)),
            client: Some((path("cert.pem"), path(key))),
        };
        let builder = || reqwest::Client::builder();
        let pem = Pem::read(&files("cert.pem", "key.pem")).unwrap();
        pem.reqwest(builder()).unwrap().build().unwrap();
        let _ = pem.tonic();
        let pem = Pem::read(&files("cert.pem", "none.pem")).unwrap();
        assert!(matches!(pem.reqwest(builder()), Err(PemError::Malformed { .. })));
        assert!(matches!(
            Pem::read(&files("cert.pem", "missing.pem")),
            Err(PemError::Unreadable { .. })
        ));
    }
}
