//! Who calls: the authority a client certificate names, if this node hosts it.
//! Decided for every call before anything is looked up.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::backend::Backend;
use super::reasons::Reason;
use super::status::Failure;
use crate::network::AuthorityId;
use crate::tls;

/// Certificates whose authority is remembered; then all are forgotten.
const REMEMBERED_MAX: usize = 4_096;

/// The authority of a call's client certificate. This node hosts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(AuthorityId);

impl Caller {
    /// Its id.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.0
    }
    /// The same, to be kept.
    #[must_use]
    pub fn shared(&self) -> AuthorityId {
        self.0.clone()
    }
    /// The caller of a request.
    ///
    /// # Errors
    /// The request did not pass the check, which is the node's fault.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Failure> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| Failure::new(Reason::CertificateMissing))
    }
    /// Refuses a call in another's name. Empty means the caller's own.
    ///
    /// # Errors
    /// Another authority is named.
    pub fn acts_as<'a>(&'a self, authority: &'a str) -> Result<&'a str, Failure> {
        if authority.is_empty() || authority == self.authority() {
            return Ok(self.authority());
        }
        let message = format!("the client certificate is of {}, the call is about {authority}", self.authority());
        Err(Failure::with(Reason::AuthorityMismatch, message))
    }
}

/// The check of every call.
#[derive(Clone)]
pub struct Callers {
    backend: Arc<Backend>,
    // Parsing a certificate for each of many thousand calls a second is not free.
    remembered: Arc<RwLock<HashMap<Vec<u8>, AuthorityId>>>,
}

impl Callers {
    /// Checks against the authorities this node hosts.
    #[must_use]
    pub fn new(backend: Arc<Backend>) -> Self {
        Self { backend, remembered: Arc::default() }
    }

    fn authority_of(&self, certificate: &[u8]) -> Result<AuthorityId, Failure> {
        let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(authority) = remembered.get(certificate) {
            return Ok(authority.clone());
        }
        drop(remembered);
        let authority = tls::authority_of(certificate).ok_or_else(|| Failure::new(Reason::CertificateUnusable))?;
        let authority: AuthorityId = authority.into();
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(certificate.into(), authority.clone());
        Ok(authority)
    }

    fn check(&self, request: &Request<()>) -> Result<Caller, Failure> {
        let certificates = request.peer_certs().ok_or_else(|| Failure::new(Reason::CertificateMissing))?;
        let certificate = certificates.first().ok_or_else(|| Failure::new(Reason::CertificateMissing))?;
        let authority = self.authority_of(certificate)?;
        if !self.backend.hosts(&authority) {
            let message = format!("this node does not serve {authority}, the authority of the client certificate");
            return Err(Failure::with(Reason::AuthorityNotHosted, message));
        }
        Ok(Caller(authority))
    }
}

impl Interceptor for Callers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let caller = self.check(&request)?;
        request.extensions_mut().insert(caller);
        Ok(request)
    }
}
