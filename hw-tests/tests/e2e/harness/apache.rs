//! Apache: with Debian's `libapache2-mod-auth-openidc`, set up as its users set it up for Pro Santé Connect; and as the
//! proxy in front of the host that asks for the card's certificate, set up as `docs/card-certificate.md` says.

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
        assert!(
            Path::new(MODULES).join("mod_auth_openidc.so").exists(),
            "mod_auth_openidc is missing: run `make setup` (Debian package libapache2-mod-auth-openidc)"
        );
        let server = started(root, &configuration(root, registration)).listening_on(PORT).await;
        Self { _server: server, _directory: directory }
    }
}

/// Apache in front of the host of certificates, with the recipe that the manual gives.
#[derive(Debug)]
pub struct CertificateProxy {
    _server: Program,
    _directory: tempfile::TempDir,
}

const MANUAL: &str = include_str!("../../../../docs/card-certificate.md");

impl CertificateProxy {
    /// Listens where clients look for `host`, and passes on to `port`.
    pub async fn start((certificate, key): (&Path, &Path), (host, listen): (&str, u16), port: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = ("    <VirtualHost", "    </VirtualHost>\n");
        let (_, recipe) = MANUAL.split_once(from).expect("the manual has a recipe");
        let (recipe, _) = recipe.split_once(to).expect("the recipe ends");
        let mut recipe = format!("{from}{recipe}{to}");
        for (written, here) in [
            ("*:443", format!("127.0.0.1:{listen}")),
            ("carte.hopital.example", host.to_owned()),
            ("/etc/ssl/carte.pem", certificate.display().to_string()),
            ("/etc/ssl/private/carte.key", key.display().to_string()),
            ("127.0.0.1:8082", format!("127.0.0.1:{port}")),
        ] {
            assert!(recipe.contains(written), "{written} is not in the recipe");
            recipe = recipe.replace(written, &here);
        }
        let modules = ["mpm_event", "authz_core", "ssl", "headers", "proxy", "proxy_http"];
        let configuration =
            format!("{}Listen 127.0.0.1:{listen}\n{recipe}", basics(directory.path(), &modules));
        let server = started(directory.path(), &configuration).listening_on(listen).await;
        Self { _server: server, _directory: directory }
    }
}

fn started(root: &Path, configuration: &str) -> Program {
    std::fs::write(root.join("apache.conf"), configuration).unwrap();
    let mut command = as_ordinary_user("apache2");
    command.arg("-f").arg(root.join("apache.conf")).args(["-D", "FOREGROUND"]);
    Program::start("Apache", &mut command)
}

/// What every Apache of a test needs.
fn basics(root: &Path, modules: &[&str]) -> String {
    let root = root.display();
    let modules: String =
        modules.iter().map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n")).collect();
    format!(
        r#"ServerRoot "{root}"
ServerName 127.0.0.1
PidFile "{root}/pid"
Mutex file:{root} default
ErrorLog /dev/stderr
LogLevel warn
{modules}"#
    )
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
    let modules = [
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
    ];
    let (basics, redirect_uri, root) = (basics(root, &modules), redirect_uri(), root.display());
    format!(
        r#"{basics}
Listen 127.0.0.1:{PORT}
LogLevel warn auth_openidc:info
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
