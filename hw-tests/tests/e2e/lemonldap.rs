//! LemonLDAP::NG of Debian as a relying party: the portal that many French hospitals and universities already have in
//! front of their applications. Set up as `docs/relying-parties.md` says, against the sandbox, with `curl` as the browser.

use std::path::Path;
use std::process::Command;

use sceau_hw_tests::isolation::isolated;
use serde_json::json;

use crate::harness::program::Program;
use crate::harness::run;
use crate::harness::sandbox::{Sandbox, visit};

const PORT: u16 = 8086;
const PORTAL: &str = "http://localhost:8086/";
/// Serves the portal without a web server in front.
const PSGI: &str = "use Lemonldap::NG::Portal::Main; Lemonldap::NG::Portal::Main->run({})";

/// A running portal.
struct Portal {
    _program: Program,
    directory: tempfile::TempDir,
}

impl Portal {
    async fn start(sandbox: &Sandbox) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in ["conf", "sessions", "locks", "cache"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        std::fs::write(root.join("conf/lmConf-1.json"), configuration(root, sandbox).to_string()).unwrap();
        std::fs::write(root.join("lemonldap-ng.ini"), ini(root)).unwrap();
        let mut command = Command::new("plackup");
        command.args(["--host", "127.0.0.1", "--port", &PORT.to_string(), "-e", PSGI]);
        let program = Program::start(
            "LemonLDAP::NG (packages liblemonldap-ng-portal-perl, libplack-perl)",
            command.env("LLNG_DEFAULTCONFFILE", root.join("lemonldap-ng.ini")),
        );
        Self { _program: program.listening_on(PORT).await, directory }
    }

    /// What the portal keeps of those who are signed in.
    fn sessions(&self) -> String {
        let files = std::fs::read_dir(self.directory.path().join("sessions")).unwrap();
        files.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }
}

/// What an administrator enters in the manager, under "OpenID Connect providers".
fn configuration(root: &Path, sandbox: &Sandbox) -> serde_json::Value {
    let kept = json!({ "Directory": root.join("sessions"), "LockDirectory": root.join("locks") });
    json!({
        "cfgNum": 1, "cfgAuthor": "test", "cfgDate": 1,
        "portal": PORTAL, "domain": "localhost", "cookieName": "lemonldap", "securedCookie": 0,
        "key": "0123456789abcdef", "whatToTrace": "uid", "portalUserAttr": "uid",
        "locationRules": { "localhost": { "default": "accept" } }, "exportedVars": {},
        "globalStorage": "Apache::Session::File", "globalStorageOptions": kept,
        "persistentStorage": "Apache::Session::File", "persistentStorageOptions": kept,
        "authentication": "OpenIDConnect", "userDB": "Same", "passwordDB": "Null", "registerDB": "Null",
        "oidcOPMetaDataJSON": { "sceau": sandbox.document("/.well-known/openid-configuration") },
        "oidcOPMetaDataJWKS": { "sceau": sandbox.document("/protocol/openid-connect/certs") },
        "oidcOPMetaDataOptions": { "sceau": {
            "oidcOPMetaDataOptionsClientID": "llng",
            "oidcOPMetaDataOptionsClientSecret": "a secret",
            "oidcOPMetaDataOptionsScope": "openid scope_all",
            "oidcOPMetaDataOptionsAcrValues": "eidas1",
            "oidcOPMetaDataOptionsTokenEndpointAuthMethod": "client_secret_basic",
            "oidcOPMetaDataOptionsCheckJWTSignature": 1,
            "oidcOPMetaDataOptionsUseNonce": 1,
            "oidcOPMetaDataOptionsStoreIDToken": 1,
            "oidcOPMetaDataOptionsIDTokenMaxAge": 120,
        } },
        "oidcOPMetaDataExportedVars": { "sceau": {
            "uid": "SubjectNameID", "sn": "family_name", "givenName": "given_name",
            "organization": "SubjectOrganization",
        } },
    })
}

fn ini(root: &Path) -> String {
    let root = root.display();
    format!(
        "[all]\nlogger = Lemonldap::NG::Common::Logger::Std\nlogLevel = notice\nlocalSessionStorage =\n\
         [configuration]\ntype = File\ndirName = {root}/conf\nlocalStorage = Cache::FileCache\n\
         localStorageOptions = {{ 'namespace' => 'test', 'cache_root' => '{root}/cache', 'cache_depth' => 1 }}\n\
         [portal]\nstaticPrefix = /static\ntemplateDir = /usr/share/lemonldap-ng/portal/templates\nlanguages = en\n"
    )
}

#[test]
fn lemonldap_signs_in_reads_refusals_and_signs_out() {
    isolated(|| {
        run(async {
            let signed_out = format!("{PORTAL}?logout=1");
            let addresses = ["--redirect-uri", "http://localhost:8086/*", "--post-logout-redirect-uri"];
            let more = [&addresses[..], &[&signed_out]].concat();
            let sandbox = Sandbox::start("llng", "a secret", &more).await;
            let portal = Portal::start(&sandbox).await;
            let jar = portal.directory.path().join("jar");

            sandbox.told("POST", "sign-ins", &json!({ "person": "doctor" }));
            let page = visit(&jar, PORTAL);
            assert!(page.contains("Connected as</span> 899700366240"), "{page}");
            let kept = portal.sessions();
            for value in ["DOC0036624", "HOPITAL DU BAC A SABLE"] {
                assert!(kept.contains(value), "{value} is missing in {kept}");
            }

            // It ends its session, then the provider's: the next sign-in asks.
            let page = visit(&jar, &signed_out);
            assert!(page.contains("message-positive"), "{page}");
            let page = visit(&jar, PORTAL);
            assert!(page.contains("/sandbox/answer"), "nobody is signed in any more: {page}");

            sandbox.told("POST", "sign-ins", &json!({ "person": "nurse", "decision": "refuse" }));
            let page = visit(&portal.directory.path().join("another jar"), PORTAL);
            assert!(page.contains("message-negative") && !page.contains("Connected as"), "{page}");
        });
    });
}
