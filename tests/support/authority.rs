//! Certificates: an authority of a test's own, and what it has signed.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use super::prerequisites::has;

/// Certificates made by openssl, in a directory that everybody may read.
pub struct Authority(pub tempfile::TempDir);

impl Authority {
    pub fn new() -> Option<Self> {
        has_openssl().then(|| {
            let home = tempfile::tempdir().unwrap();
            std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
            let authority = Self(home);
            authority.run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt");
            authority
        })
    }

    fn run(&self, arguments: &str) {
        let mut openssl = Command::new("openssl");
        let output =
            openssl.args(arguments.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `name.crt` and `name.key`, for an alternative name such as `IP:127.0.0.1`.
    pub fn issue(&self, name: &str, alternative: &str) {
        self.issue_to(&format!("/CN={name}"), name, alternative);
    }

    /// The same for a subject such as `/O=tests`.
    pub fn issue_to(&self, subject: &str, name: &str, alternative: &str) {
        let key = "ec -pkeyopt ec_paramgen_curve:P-256";
        self.issue_by(key, subject, name, alternative);
    }

    /// The same for a key whose signatures cost a hundred times as much.
    pub fn issue_costly(&self, name: &str, alternative: &str) {
        self.issue_by("rsa:4096", &format!("/CN={name}"), name, alternative);
    }

    fn issue_by(&self, key: &str, subject: &str, name: &str, alternative: &str) {
        self.run(&format!(
            "req -new -newkey {key} -nodes -subj {subject} -keyout {name}.key -out {name}.csr"
        ));
        let extensions = format!("subjectAltName={alternative}\nbasicConstraints=CA:FALSE\n");
        std::fs::write(self.path("extensions"), extensions).unwrap();
        self.run(&format!("x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out {name}.new"));
        std::fs::rename(self.path(&format!("{name}.new")), self.path(&format!("{name}.crt")))
            .unwrap();
        for file in [format!("{name}.key"), format!("{name}.crt")] {
            std::fs::set_permissions(self.path(&file), PermissionsExt::from_mode(0o644)).unwrap();
        }
    }

    /// Puts a file that everybody may read in the place of another, all at once.
    pub fn replace(&self, name: &str, bytes: &[u8]) {
        let draft = self.path(&format!("{name}.draft"));
        std::fs::write(&draft, bytes).unwrap();
        std::fs::set_permissions(&draft, PermissionsExt::from_mode(0o644)).unwrap();
        std::fs::rename(draft, self.path(name)).unwrap();
    }

    /// A list, as the file `list`, of certificates that are taken back.
    pub fn revoke(&self, list: &str, names: &[&str]) {
        let line = |name: &&str| {
            let mut openssl = Command::new("openssl");
            openssl
                .args(["x509", "-noout", "-serial", "-in"])
                .arg(self.path(&format!("{name}.crt")));
            let said = String::from_utf8(openssl.output().unwrap().stdout).unwrap();
            let serial = said.trim().strip_prefix("serial=").unwrap();
            format!("R\t491231235959Z\t250101000000Z\t{serial}\tunknown\t/CN={name}\n")
        };
        std::fs::write(self.path("index"), names.iter().map(line).collect::<String>()).unwrap();
        let settings = "[ca]\ndefault_ca = all\n[all]\ndatabase = index\ndefault_md = sha256\ndefault_crl_days = 2\n\
                        crl_extensions = extensions\n[extensions]\nauthorityKeyIdentifier = keyid:always\n";
        std::fs::write(self.path("ca.cnf"), settings).unwrap();
        self.run("ca -gencrl -config ca.cnf -keyfile ca.key -cert ca.crt -out list.new");
        self.replace(list, &std::fs::read(self.path("list.new")).unwrap());
    }

    /// Lays what was issued out as `gateway.crt` and `gateway.key`, as the kubelet lays a secret out: links to `..data`, which
    /// is a link that is turned to a new directory.
    pub fn mount(&self, issued: &str, directory: &str) {
        std::fs::create_dir(self.path(directory)).unwrap();
        for end in ["crt", "key"] {
            let file = format!("gateway.{end}");
            let from = self.path(&format!("{issued}.{end}"));
            std::fs::rename(from, self.path(&format!("{directory}/{file}"))).unwrap();
            let link = self.path(&file);
            if link.symlink_metadata().is_err() {
                symlink(format!("..data/{file}"), link).unwrap();
            }
        }
        symlink(directory, self.path("..turned")).unwrap();
        std::fs::rename(self.path("..turned"), self.path("..data")).unwrap();
    }

    /// Of the configuration of the gateway.
    pub fn section(&self) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        format!(
            "[tls]\ncertificate = {:?}\nkey = {:?}\nclient_ca = {:?}\n",
            path("gateway.crt"),
            path("gateway.key"),
            path("ca.crt")
        )
    }
}

fn has_openssl() -> bool {
    // It has no `--version`; without a command it waits for some.
    Command::new("openssl").arg("version").output().is_ok() || has("openssl", "TLS")
}
