"""What guards the public name, and what its mails and probes hang on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cdk.constructs.failover import FAILING_SECONDS
from tests.infra.conftest import Template
from tests.infra.properties import resources

Assemblies = Mapping[str, Mapping[str, Template]]

EDGES = ("staging-edge", "production-edge", "production-dr-edge")
RDS_FAILOVER_SECONDS = 120


@pytest.fixture
def edge(request: pytest.FixtureRequest, assemblies: Assemblies) -> Template:
    environment = request.param.split("-")[0]
    return assemblies[environment][f"user-api-{request.param}"]


@pytest.mark.parametrize("edge", ["development-edge", *EDGES], indirect=True)
def test_web_acl_blocks_what_it_finds(edge: Template) -> None:
    """Four managed groups act, not only count, and an address has a limit."""
    ((_, acl),) = resources(edge, "AWS::WAFv2::WebACL")
    managed, blocking = set(), []
    for rule in acl["Rules"]:
        if "ManagedRuleGroupStatement" in rule["Statement"]:
            managed.add(rule["Statement"]["ManagedRuleGroupStatement"]["Name"])
            assert rule["OverrideAction"] == {"None": {}}
        else:
            blocking.append(rule["Statement"]["RateBasedStatement"]["AggregateKeyType"])
            assert "Block" in rule["Action"]
    assert managed == {
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesSQLiRuleSet",
    }
    assert blocking == ["IP"]


@pytest.mark.parametrize("edge", ["development-edge", *EDGES], indirect=True)
def test_web_acl_logs_no_credential(edge: Template) -> None:
    """What it logs leaves out the headers that log in, and samples are not taken."""
    ((_, logging),) = resources(edge, "AWS::WAFv2::LoggingConfiguration")
    redacted = {each["SingleHeader"]["Name"] for each in logging["RedactedFields"]}
    assert redacted == {"authorization", "cookie"}
    ((_, acl),) = resources(edge, "AWS::WAFv2::WebACL")
    configured = [acl["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in acl["Rules"])]
    assert not any(each["SampledRequestsEnabled"] for each in configured)


@pytest.mark.parametrize("edge", EDGES, indirect=True)
def test_bounces_and_complaints_reach_the_queue(edge: Template) -> None:
    """SES publishes both, its topic may be encrypted for it, and the queue takes them over."""
    ((_, destination),) = resources(edge, "AWS::SES::ConfigurationSetEventDestination")
    assert set(destination["EventDestination"]["MatchingEventTypes"]) == {"bounce", "complaint"}
    ((key_id, key),) = resources(edge, "AWS::KMS::Key")
    ((topic_id, topic),) = resources(edge, "AWS::SNS::Topic")
    assert destination["EventDestination"]["SnsDestination"]["TopicARN"] == {"Ref": topic_id}
    assert topic["KmsMasterKeyId"] == {"Fn::GetAtt": [key_id, "Arn"]}
    users = {
        statement["Principal"].get("Service"): statement["Action"]
        for statement in key["KeyPolicy"]["Statement"]
    }
    assert users["ses.amazonaws.com"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    ((_, subscription),) = resources(edge, "AWS::SNS::Subscription")
    queue_id = subscription["Endpoint"]["Fn::GetAtt"][0]
    assert "RedrivePolicy" in dict(resources(edge, "AWS::SQS::Queue"))[queue_id]


def test_mails_are_signed_and_sent_over_tls_from_both_regions(assemblies: Assemblies) -> None:
    """Each region proves itself by its own DKIM keys and its own bounce domain."""
    both = [assemblies["production"][f"user-api-production-{part}edge"] for part in ("", "dr-")]
    bounces = set()
    for edge in both:
        ((_, identity),) = resources(edge, "AWS::SES::EmailIdentity")
        bounces.add(identity["MailFromAttributes"]["MailFromDomain"])
        ((_, its_set),) = resources(edge, "AWS::SES::ConfigurationSet")
        assert its_set["DeliveryOptions"]["TlsPolicy"] == "REQUIRE"
        records = [it["Type"] for _, it in resources(edge, "AWS::Route53::RecordSet")]
        assert records.count("CNAME") == 3
    assert len(bounces) == 2


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_database_failover_within_the_region_moves_no_traffic(
    assemblies: Assemblies, environment: str
) -> None:
    """A probe fails for longer than RDS needs before anything is switched."""
    edge = assemblies[environment][f"user-api-{environment}-edge"]
    probes = [
        it["HealthCheckConfig"]
        for _, it in resources(edge, "AWS::Route53::HealthCheck")
        if it["HealthCheckConfig"]["Type"] == "HTTPS"
    ]
    assert len(probes) == 2
    for probe in probes:
        assert probe["ResourcePath"] == "/health/ready"
        failing = probe["RequestInterval"] * (probe["FailureThreshold"] - 1)
        assert failing == FAILING_SECONDS
        assert failing >= RDS_FAILOVER_SECONDS + 60


@pytest.mark.parametrize("edge", EDGES, indirect=True)
def test_certificate_is_for_the_public_name(edge: Template) -> None:
    """In both regions, since the record moves from one to the other."""
    ((_, certificate),) = resources(edge, "AWS::CertificateManager::Certificate")
    assert certificate["DomainName"] in {"api.staging.example.com", "api.example.com"}
    assert certificate["ValidationMethod"] == "DNS"
