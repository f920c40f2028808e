//! What is proven, by subject.

use crate::runner::{Group, Install, Order};
use crate::world::World;
use crate::{
    admission, churn, clusters, doctor, explain, faults, host_port, hostile, identity, laptop, leader,
    lifecycle, memory, real_aws, restart, sdks, services, sts, system, vault,
};

const NOTHING: fn(&World) -> anyhow::Result<()> = |_| Ok(());

/// Every group, in the order in which a whole run has them.
pub(crate) const ALL: &[Group] = &[
    Group {
        name: "refusals",
        install: Install::Untouched,
        prepare: NOTHING,
        order: Order::Any,
        steps: &[
            (
                "up_refuses_a_context_that_is_not_on_the_safe_list",
                lifecycle::unsafe_context_is_refused,
            ),
            ("up_without_docker_says_what_to_do", lifecycle::no_docker_is_told),
        ],
    },
    Group {
        name: "killed-creation",
        install: Install::Own,
        prepare: clusters::nothing_of_killed,
        order: Order::Any,
        steps: &[(
            "a_creation_that_was_killed_is_begun_again",
            clusters::killed_creation_is_begun_again,
        )],
    },
    Group {
        name: "up",
        install: Install::Made,
        prepare: NOTHING,
        order: Order::Chain,
        steps: &[
            (
                "up_makes_a_cluster_and_everything_in_it",
                lifecycle::up_makes_everything,
            ),
            (
                "a_second_up_changes_nothing",
                lifecycle::second_up_changes_nothing,
            ),
            ("status_and_env_tell_what_is_there", lifecycle::status_and_env),
        ],
    },
    Group {
        name: "clusters",
        install: Install::Needed,
        prepare: NOTHING,
        order: Order::Any,
        steps: &[
            (
                "a_cluster_that_differs_is_told_and_not_touched",
                clusters::difference_is_told,
            ),
            (
                "an_emulator_without_its_licence_is_told",
                faults::broken_emulator_is_told,
            ),
            (
                "a_webhook_that_does_not_come_up_is_told",
                faults::broken_webhook_is_told,
            ),
            (
                "images_are_saved_and_loaded_where_they_lack",
                clusters::images_are_saved_and_loaded,
            ),
            (
                "a_forwarded_port_survives_the_end_of_the_emulator",
                clusters::port_forward_survives,
            ),
            (
                "a_support_bundle_has_no_secret",
                clusters::support_bundle_has_no_secret,
            ),
        ],
    },
    Group {
        name: "host-port",
        install: Install::Needed,
        prepare: NOTHING,
        order: Order::Chain,
        steps: &[
            (
                "a_container_leads_a_port_to_a_cluster_that_publishes_none",
                host_port::container_leads_to_the_emulator,
            ),
            (
                "a_command_reaches_the_emulator_with_and_without_a_port",
                host_port::commands_reach_the_emulator,
            ),
            (
                "the_container_goes_with_the_install",
                host_port::container_goes_with_the_install,
            ),
        ],
    },
    Group {
        name: "interrupted",
        install: Install::Needed,
        prepare: NOTHING,
        order: Order::Any,
        steps: &[
            ("two_ups_at_once_take_turns", clusters::two_ups_take_turns),
            (
                "a_killed_up_is_taken_up_again",
                clusters::killed_apply_is_taken_up_again,
            ),
        ],
    },
    Group {
        name: "doctor",
        install: Install::Needed,
        prepare: NOTHING,
        order: Order::Any,
        steps: &[
            ("doctor_finds_nothing_wrong", lifecycle::doctor_is_content),
            (
                "doctor_finds_each_thing_that_is_broken_and_nothing_else",
                doctor::each_break_is_found_alone,
            ),
            (
                "doctor_mends_what_is_safe_to_repeat",
                doctor::doctor_mends_what_is_safe,
            ),
        ],
    },
    Group {
        name: "identity",
        install: Install::Needed,
        prepare: identity::prepare,
        order: Order::Any,
        steps: &[
            ("a_recipe_makes_its_resources", identity::recipe_makes_resources),
            (
                "web_identity_serves_an_unmodified_sdk",
                identity::web_identity_serves_an_sdk,
            ),
            (
                "a_pod_of_an_unannotated_service_account_gets_nothing",
                identity::unannotated_gets_nothing,
            ),
            (
                "a_role_that_does_not_trust_the_service_account_is_denied",
                identity::foreign_role_is_denied,
            ),
            ("two_roles_serve_one_pod", identity::two_roles_serve_one_pod),
            (
                "a_job_with_the_sidecar_is_served_and_completes",
                identity::sidecar_job_completes,
            ),
        ],
    },
    Group {
        name: "explain",
        install: Install::Needed,
        prepare: identity::prepare,
        order: Order::Any,
        steps: &[
            (
                "pods_that_run_are_explained",
                explain::pods_that_run_are_explained,
            ),
            ("manifests_are_explained", explain::manifests_are_explained),
            (
                "what_came_too_early_is_explained",
                explain::what_came_too_early_is_explained,
            ),
        ],
    },
    Group {
        name: "restart",
        install: Install::Needed,
        prepare: identity::prepare,
        order: Order::Any,
        steps: &[(
            "pods_that_lack_their_identity_are_replaced",
            restart::pods_without_identity_are_replaced,
        )],
    },
    Group {
        name: "sts",
        install: Install::Needed,
        prepare: sts::prepare,
        order: Order::Any,
        steps: &[
            ("trust_policies_decide_and_say_why", sts::trust_policies_decide),
            (
                "a_role_serves_whom_it_trusts_whatever_is_annotated",
                sts::roles_serve_whom_they_trust,
            ),
            (
                "roles_auto_makes_only_what_is_named",
                sts::auto_makes_what_is_named,
            ),
            ("bad_tokens_are_refused", sts::bad_tokens_are_refused),
            (
                "processes_of_this_machine_have_the_identity_of_a_pod",
                laptop::processes_have_the_identity_of_a_pod,
            ),
            (
                "strict_roles_are_looked_for_and_never_made",
                sts::strict_makes_nothing,
            ),
            (
                "hostile_requests_leave_the_front_as_it_was",
                hostile::front_stays_as_it_was,
            ),
        ],
    },
    Group {
        name: "churn",
        install: Install::Needed,
        prepare: identity::prepare,
        order: Order::Any,
        steps: &[
            ("no_call_fails_while_the_webhook_rolls", churn::webhook_rolls),
            (
                "calls_outlive_a_restart_of_the_emulator",
                churn::emulator_restarts,
            ),
        ],
    },
    Group {
        name: "services",
        install: Install::Needed,
        prepare: identity::prepare,
        order: Order::Any,
        steps: &[
            (
                "a_pod_with_a_role_uses_many_services",
                services::pods_use_many_services,
            ),
            (
                "the_emulator_runs_as_up_was_told",
                services::emulator_runs_as_told,
            ),
        ],
    },
    Group {
        name: "sdks",
        install: Install::Needed,
        prepare: identity::prepare,
        order: Order::AtOnce,
        steps: &[
            ("the_aws_cli_is_served_in_both_deliveries", sdks::cli),
            ("go_v2_is_served_in_both_deliveries", sdks::go_v2),
            ("js_v3_is_served_in_both_deliveries", sdks::js_v3),
            ("java_v2_is_served_in_both_deliveries", sdks::java_v2),
            ("rust_is_served_in_both_deliveries", sdks::rust),
            ("go_v1_is_served_by_the_sidecar_and_a_rule", sdks::go_v1),
        ],
    },
    Group {
        name: "admission",
        install: Install::Needed,
        prepare: admission::prepare,
        order: Order::Any,
        steps: &[
            (
                "every_kind_of_workload_gets_its_identity",
                admission::faithful::every_workload_gets_its_identity,
            ),
            (
                "a_service_account_of_the_same_apply_is_seen",
                admission::faithful::same_apply_is_seen,
            ),
            (
                "an_annotation_of_the_same_apply_is_seen",
                admission::faithful::fresh_annotation_is_seen,
            ),
            (
                "config_maps_name_roles_and_are_forgotten",
                admission::faithful::config_maps_name_roles,
            ),
            (
                "probable_mistakes_are_told_to_users_and_owners",
                admission::faithful::mistakes_are_told,
            ),
            (
                "a_pod_that_was_valid_is_valid_with_its_identity",
                admission::generated::injected_pods_stay_valid,
            ),
            (
                "strict_eks_equals_the_webhook_of_eks",
                admission::conformance::strict_eks_equals_the_webhook_of_eks,
            ),
            (
                "containers_that_another_webhook_adds_are_served",
                admission::reinvocation::late_containers_are_served,
            ),
            (
                "a_rolling_restart_misses_no_pod",
                admission::trust::rolling_restart_misses_no_pod,
            ),
            (
                "only_the_api_server_is_answered",
                admission::trust::only_the_api_server_is_answered,
            ),
            (
                "a_broken_registration_or_secret_is_mended",
                admission::trust::broken_trust_is_mended,
            ),
            (
                "a_deleted_lease_is_made_again",
                leader::deleted_lease_is_made_again,
            ),
            (
                "the_next_address_of_the_emulator_is_injected",
                admission::address::next_address_of_the_emulator_is_injected,
            ),
            (
                "an_enforcing_namespace_refuses_what_nobody_judged",
                admission::trust::enforcing_namespaces_refuse_what_nobody_judged,
            ),
            (
                "the_registration_goes_with_an_install_that_kubectl_deletes",
                admission::trust::registration_goes_with_the_install,
            ),
        ],
    },
    Group {
        name: "system",
        install: Install::Needed,
        prepare: identity::prepare,
        order: Order::Any,
        steps: &[
            (
                "a_controller_in_kube_system_gets_its_role",
                system::controller_gets_its_role,
            ),
            (
                "a_dead_webhook_delays_no_pod_of_kube_system_for_long",
                system::dead_webhook_delays_no_pod_for_long,
            ),
        ],
    },
    Group {
        name: "vault",
        install: Install::Needed,
        prepare: NOTHING,
        order: Order::Chain,
        steps: &[
            (
                "vault_with_eks_values_is_unsealed",
                vault::unsealed_with_eks_values,
            ),
            (
                "vault_unseals_itself_after_its_pod_is_deleted",
                vault::unseals_after_its_own_restart,
            ),
            (
                "vault_unseals_itself_after_the_emulator_lost_its_memory",
                vault::unseals_after_the_emulator_forgot,
            ),
            (
                "two_vaults_side_by_side_outlive_the_memory_of_the_emulator",
                vault::two_side_by_side,
            ),
            (
                "a_sidecar_speaks_for_its_pod_as_a_credential_process",
                vault::sidecar_speaks_for_its_pod,
            ),
            ("memory_of_webhook_and_sidecar", memory::report_memory),
        ],
    },
    Group {
        name: "real-aws",
        install: Install::Needed,
        prepare: real_aws::prepare,
        order: Order::Any,
        steps: &[("the_sidecar_serves_real_aws", real_aws::credentials_of_real_aws)],
    },
    Group {
        name: "down",
        install: Install::Needed,
        prepare: restart::prepare,
        order: Order::Chain,
        steps: &[
            (
                "down_takes_back_what_pods_got",
                restart::down_takes_back_what_pods_got,
            ),
            ("down_leaves_nothing_behind", lifecycle::down_leaves_nothing),
            ("a_second_down_has_nothing_to_do", lifecycle::second_down),
        ],
    },
];
