//! What is special about each emulator of AWS: one row of facts for each. Nothing else knows one by its name, its paths, tags,
//! variables or ports.

/// What is known of one emulator.
#[derive(Debug, Clone, Copy)]
pub struct EmulatorFacts {
    /// Its name, as its makers write it.
    pub name: &'static str,
    /// Name of its Deployment, Service and container.
    pub service: &'static str,
    /// Its image unless the user names another.
    pub image: &'static str,
    /// The port that it listens on.
    pub port: u16,
    /// The user that it runs as; the image's own may be root.
    pub user: i64,
    /// Folders that it writes to, and the names of their volumes.
    pub writable: &'static [(&'static str, &'static str)],
    /// Variables of its container, beside the licence's.
    pub variables: &'static [(&'static str, Setting)],
    /// The variable for a list of the services that it starts.
    pub services_variable: &'static str,
    /// The path that the kubelet asks. It may respond with 200 before the emulator is ready.
    pub probe_path: &'static str,
    /// Where it shows whether it is ready.
    pub ready: Ready,
    /// Where it shows which services it has.
    pub health: Health,
    /// Which of its images need a licence.
    pub licence: Licence,
    /// Tags by which it takes the id and the material of a KMS key.
    pub key_tags: KeyTags,
    /// The account of credentials that name none. Others name theirs by an access key of twelve digits.
    pub account: &'static str,
    /// The secret access key that it takes: it looks at none.
    pub secret_key: &'static str,
    /// A name that its makers publish for whoever runs it on this machine.
    pub public_name: &'static str,
}

/// The value of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Always this.
    Fixed(&'static str),
    /// The address that it listens on.
    Listen,
    /// Host and port by which Pods know it.
    Host,
    /// The region of the install.
    Region,
}

/// Where an emulator shows whether it is ready.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// The path.
    pub path: &'static str,
    /// JSON pointer to `true` in the response.
    pub pointer: &'static str,
}

/// Where an emulator shows which services it has.
#[derive(Debug, Clone, Copy)]
pub struct Health {
    /// The path.
    pub path: &'static str,
    /// JSON pointer to the services in the response: an object with the state of each.
    pub services: &'static str,
    /// The states of a service that can be used.
    pub usable: &'static [&'static str],
    /// JSON pointer to the emulator's version.
    pub version: &'static str,
}

/// Which images of an emulator need a licence, and how they get it.
#[derive(Debug, Clone, Copy)]
pub struct Licence {
    /// The variable that holds it.
    pub variable: &'static str,
    /// An older variable that may hold it.
    pub older_variable: &'static str,
    /// How an image exits that needs one and has none.
    pub exit_code: i32,
    /// The last part of the name of images that need one in every release.
    always: &'static str,
    /// The last part of the name of images that need one since [`Self::since`].
    later: &'static str,
    /// Year and month of the first release that needs one.
    since: (u32, u32),
    /// Tags that move to the newest release.
    moving: &'static [&'static str],
}

/// Tags by which an emulator takes the id and the material of a KMS key.
#[derive(Debug, Clone, Copy)]
pub struct KeyTags {
    /// The id.
    pub id: &'static str,
    /// The material, in base64.
    pub material: &'static str,
}

/// The emulator that `up` installs.
pub const DEFAULT: EmulatorFacts = LOCALSTACK;

const LOCALSTACK: EmulatorFacts = EmulatorFacts {
    name: "LocalStack",
    service: "localstack",
    // The last release that needs no licence.
    image: "localstack/localstack:4.14.0",
    port: 4566,
    user: 1000,
    writable: &[("tmp", "/tmp"), ("state", "/var/lib/localstack")],
    variables: &[
        // Empty is all of them. It is written so that `up` takes back a list that somebody else wrote.
        ("SERVICES", Setting::Fixed("")),
        ("GATEWAY_LISTEN", Setting::Listen),
        ("LOCALSTACK_HOST", Setting::Host),
        // The host of a queue's URL is the one above. Of the usual form no Pod finds the host, and some SDKs send to it.
        ("SQS_ENDPOINT_STRATEGY", Setting::Fixed("path")),
        ("AWS_DEFAULT_REGION", Setting::Region),
        ("DISABLE_EVENTS", Setting::Fixed("1")),
        ("SKIP_SSL_CERT_DOWNLOAD", Setting::Fixed("1")),
        ("DNS_ADDRESS", Setting::Fixed("0")),
        ("HOME", Setting::Fixed("/tmp")),
    ],
    services_variable: "SERVICES",
    probe_path: "/_localstack/init/ready",
    ready: Ready {
        path: "/_localstack/init",
        pointer: "/completed/READY",
    },
    health: Health {
        path: "/_localstack/health",
        services: "/services",
        usable: &["available", "running"],
        version: "/version",
    },
    licence: Licence {
        variable: "LOCALSTACK_AUTH_TOKEN",
        older_variable: "LOCALSTACK_API_KEY",
        exit_code: 55,
        always: "localstack-pro",
        later: "localstack",
        since: (2026, 3),
        moving: &["latest", "stable", "dev"],
    },
    // Its KMS provider, 4.14.0.
    key_tags: KeyTags {
        id: "_custom_id_",
        material: "_custom_key_material_",
    },
    account: "000000000000",
    secret_key: "test",
    public_name: "test.localhost.localstack.cloud",
};

impl EmulatorFacts {
    /// What decides the value of a variable of the container; `None` if nothing but the user does.
    #[must_use]
    pub fn setting(&self, variable: &str) -> Option<Setting> {
        let mut variables = self.variables.iter();
        variables.find_map(|(name, setting)| (*name == variable).then_some(*setting))
    }
}

impl Licence {
    /// Whether a variable holds a licence.
    #[must_use]
    pub fn is_held_by(&self, variable: &str) -> bool {
        [self.variable, self.older_variable].contains(&variable)
    }

    /// Whether an image is, by its name, one that does not start without a licence.
    #[must_use]
    pub fn is_needed_by(&self, image: &str) -> bool {
        let (repository, tag) = match image.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (image, "latest"),
        };
        // A digest does not show the release.
        if repository.contains('@') {
            return false;
        }
        let name = repository.rsplit('/').next().unwrap_or(repository);
        let is_late =
            || self.moving.contains(&tag) || release(tag).is_some_and(|release| release >= self.since);
        name == self.always || (name == self.later && is_late())
    }
}

/// Year and month of a tag such as `2026.03.0`; also the first two numbers of `4.14.0`.
fn release(tag: &str) -> Option<(u32, u32)> {
    let mut parts = tag.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_image_shows_whether_it_needs_a_licence() {
        for (image, needs) in [
            ("localstack/localstack:4.14.0", false),
            ("localstack/localstack:4", false),
            ("localstack/localstack:latest", true),
            ("localstack/localstack", true),
            ("docker.io/localstack/localstack:stable", true),
            ("localstack/localstack:2026.03.0", true),
            ("localstack/localstack:2026.02.1", false),
            ("localstack/localstack:2027.01.0-arm64", true),
            ("localstack/localstack-pro:4.14.0", true),
            ("registry:5000/localstack", true),
            ("irsa-emu.test/localstack:4.14.0", false),
            ("localstack/localstack@sha256:abc", false),
            ("motoserver/moto:latest", false),
        ] {
            assert_eq!(DEFAULT.licence.is_needed_by(image), needs, "{image}");
        }
    }

    #[test]
    fn the_image_that_is_installed_by_default_needs_no_licence() {
        assert!(!DEFAULT.licence.is_needed_by(DEFAULT.image));
    }

    #[test]
    fn the_lists_of_a_row_belong_together() {
        assert_eq!(
            DEFAULT.setting(DEFAULT.services_variable),
            Some(Setting::Fixed(""))
        );
        assert_eq!(DEFAULT.setting("DEBUG"), None);
        assert!(DEFAULT.licence.is_held_by("LOCALSTACK_API_KEY"));
    }
}
