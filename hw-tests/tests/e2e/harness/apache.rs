//! Apache with Debian's `libapache2-mod-auth-openidc`, set up as its users set it up for Pro Santé Connect.

use std::path::Path;

use super::program::{Program, as_ordinary_user};

/// Where it listens.
pub const PORT: u16 = 8085;
const MODULES: &str = "/usr/lib/apache2/modules";

/// A running Apache. Everything under `/protege/` asks for a sign-in.
#[derive(Debug)]
pub struct Apache {
    _server: Program,
    _directory: tempfile::TempDir,
}

/// The relying party that Apache is.
#[derive(Debug, Clone)]
pub struct Registration {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: String,
}

/// The address that the identity provider sends the browser back to.
pub fn redirect_uri() -> String {
    format!("{}/protege/retour", address())
}

/// The address after a sign-out.
pub fn signed_out() -> String {
    format!("{}/au-revoir.html", address())
}

pub fn address() -> String {
    format!("http://127.0.0.1:{PORT}")
}

impl Apache {
    pub async fn start(registration: &Registration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir_all(root.join("pages/protege")).unwrap();
        std::fs::write(root.join("pages/au-revoir.html"), "<p>Au revoir</p>").unwrap();
        std::fs::write(root.join("pages/protege/index.shtml"), PAGE).unwrap();
        std::fs::write(root.join("apache.conf"), configuration(root, registration)).unwrap();
        let mut command = as_ordinary_user("apache2");
        command.arg("-f").arg(root.join("apache.conf")).args(["-D", "FOREGROUND"]);
        assert!(
            Path::new(MODULES).join("mod_auth_openidc.so").exists(),
            "mod_auth_openidc is missing: run `make setup` (Debian package libapache2-mod-auth-openidc)"
        );
        let server = Program::start("Apache", &mut command).listening_on(PORT).await;
        Self { _server: server, _directory: directory }
    }
}

/// What the protected page is told, member by member.
const PAGE: &str = r#"<!doctype html><html lang="fr"><title>Page protégée</title><meta charset="utf-8">
<dl>
<dt>REMOTE_USER</dt><dd id="user"><!--#echo var="REMOTE_USER" --></dd>
<dt>given_name</dt><dd id="given-name"><!--#echo var="OIDC_CLAIM_given_name" --></dd>
<dt>family_name</dt><dd id="family-name"><!--#echo var="OIDC_CLAIM_family_name" --></dd>
<dt>SubjectNameID</dt><dd id="id-nat"><!--#echo var="OIDC_CLAIM_SubjectNameID" --></dd>
<dt>SubjectRole</dt><dd id="role"><!--#echo var="OIDC_CLAIM_SubjectRole" --></dd>
<dt>acr</dt><dd id="acr"><!--#echo var="OIDC_CLAIM_acr" --></dd>
</dl>
<pre><!--#printenv --></pre></html>
"#;

fn configuration(root: &Path, registration: &Registration) -> String {
    let Registration { issuer, client_id, client_secret } = registration;
    let (redirect_uri, root) = (redirect_uri(), root.display());
    let modules: String = [
        "mpm_event",
        "authz_core",
        "authn_core",
        "authz_user",
        "auth_openidc",
        "include",
        "filter",
        "mime",
        "dir",
        "env",
    ]
    .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
    .concat();
    format!(
        r#"ServerRoot "{root}"
ServerName 127.0.0.1
Listen 127.0.0.1:{PORT}
PidFile "{root}/pid"
Mutex file:{root} default
ErrorLog /dev/stderr
LogLevel warn auth_openidc:info
{modules}
DocumentRoot "{root}/pages"
TypesConfig /etc/mime.types
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
DirectoryIndex index.shtml
<Directory "{root}/pages">
  Options +Includes
  Require all granted
</Directory>

OIDCProviderMetadataURL {issuer}/.well-known/wallet-openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCProviderTokenEndpointAuth client_secret_post
OIDCRedirectURI {redirect_uri}
OIDCScope "openid scope_all"
OIDCAuthRequestParams acr_values=eidas1
OIDCPKCEMethod S256
OIDCResponseType code
OIDCRemoteUserClaim preferred_username
OIDCPassClaimsAs both
OIDCPassUserInfoAs claims
OIDCCryptoPassphrase a-passphrase-for-one-test
<Location "/protege/">
  AuthType openid-connect
  Require valid-user
</Location>
"#
    )
}
