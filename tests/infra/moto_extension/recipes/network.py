"""What EC2, Route 53, ACM, WAF and SES lack."""

from __future__ import annotations

from tests.infra.moto_extension.making import Made, Making, tags_of
from tests.infra.moto_extension.resources import makes


@makes("AWS::EC2::NetworkAcl")
def network_acl(it: Making) -> Made:
    tags = [{"Key": name, "Value": value} for name, value in tags_of(it).items()]
    acl = it.create("ec2", "create_network_acl", apart=("Tags",))["NetworkAcl"]
    identifier = acl["NetworkAclId"]
    it.call("ec2", "create_tags", Resources=[identifier], Tags=tags)
    return Made(
        ref=identifier,
        attributes={"Id": identifier},
        undo=it.undoing("ec2", "delete_network_acl", NetworkAclId=identifier),
    )


@makes("AWS::EC2::NetworkAclEntry")
def network_acl_entry(it: Making) -> Made:
    it.create(
        "ec2",
        "create_network_acl_entry",
        renamed={"Icmp": "IcmpTypeCode"},
        Egress=bool(it.properties.get("Egress", False)),
    )
    where = {
        "NetworkAclId": it.properties["NetworkAclId"],
        "RuleNumber": int(it.properties["RuleNumber"]),
        "Egress": bool(it.properties.get("Egress", False)),
    }
    return Made(
        ref=it.generated,
        attributes={"Id": it.generated},
        undo=it.undoing("ec2", "delete_network_acl_entry", **where),
    )


@makes("AWS::EC2::SubnetNetworkAclAssociation")
def network_acl_association(it: Making) -> Made:
    subnet = it.properties["SubnetId"]
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    acls = it.call("ec2", "describe_network_acls", Filters=filters)["NetworkAcls"]
    before = next(each for each in acls[0]["Associations"] if each["SubnetId"] == subnet)
    made = it.call(
        "ec2",
        "replace_network_acl_association",
        AssociationId=before["NetworkAclAssociationId"],
        NetworkAclId=it.properties["NetworkAclId"],
    )["NewAssociationId"]
    undo = it.undoing(
        "ec2",
        "replace_network_acl_association",
        AssociationId=made,
        NetworkAclId=before["NetworkAclId"],
    )
    return Made(ref=made, attributes={"AssociationId": made}, undo=undo)


@makes("AWS::EC2::SecurityGroupEgress")
def egress(it: Making) -> Made:
    given = it.properties
    permission: dict[str, object] = {
        "IpProtocol": str(given["IpProtocol"]),
    }
    for port in ("FromPort", "ToPort"):
        if port in given:
            permission[port] = int(given[port])
    if "CidrIp" in given:
        permission["IpRanges"] = [{"CidrIp": given["CidrIp"]}]
    if "DestinationSecurityGroupId" in given:
        permission["UserIdGroupPairs"] = [{"GroupId": given["DestinationSecurityGroupId"]}]
    if "DestinationPrefixListId" in given:
        permission["PrefixListIds"] = [{"PrefixListId": given["DestinationPrefixListId"]}]
    rule = {"GroupId": given["GroupId"], "IpPermissions": [permission]}
    it.call("ec2", "authorize_security_group_egress", **rule)
    return Made(
        ref=it.generated,
        attributes={"Id": it.generated},
        undo=it.undoing("ec2", "revoke_security_group_egress", **rule),
    )


@makes("AWS::CertificateManager::Certificate")
def certificate(it: Making) -> Made:
    arn = it.create(
        "acm",
        "request_certificate",
        apart=("DomainValidationOptions", "CertificateTransparencyLoggingPreference"),
    )["CertificateArn"]
    return Made(ref=arn, undo=it.undoing("acm", "delete_certificate", CertificateArn=arn))


@makes("AWS::WAFv2::WebACL")
def web_acl(it: Making) -> Made:
    name = it.named("Name")
    summary = it.create("wafv2", "create_web_acl", Name=name)["Summary"]
    which = {"Name": name, "Scope": it.properties["Scope"], "Id": summary["Id"]}

    def undo() -> None:
        lock = it.call("wafv2", "get_web_acl", **which)["LockToken"]
        it.call("wafv2", "delete_web_acl", LockToken=lock, **which)

    return Made(
        ref=f"{name}|{summary['Id']}|{it.properties['Scope']}",
        attributes={"Arn": summary["ARN"], "Id": summary["Id"]},
        undo=undo,
    )


@makes("AWS::WAFv2::WebACLAssociation")
def web_acl_association(it: Making) -> Made:
    it.create("wafv2", "associate_web_acl")
    resource = it.properties["ResourceArn"]
    return Made(
        ref=f"{resource}|{it.properties['WebACLArn']}",
        undo=it.undoing("wafv2", "disassociate_web_acl", ResourceArn=resource),
    )


@makes("AWS::WAFv2::LoggingConfiguration")
def web_acl_logging(it: Making) -> Made:
    arn = it.properties["ResourceArn"]
    it.call("wafv2", "put_logging_configuration", LoggingConfiguration=dict(it.properties))
    return Made(ref=arn, undo=it.undoing("wafv2", "delete_logging_configuration", ResourceArn=arn))


@makes("AWS::SES::EmailIdentity")
def email_identity(it: Making) -> Made:
    # moto has no PutEmailIdentity...Attributes, and none of DKIM's tokens without its own signing.
    name = it.properties["EmailIdentity"]
    it.create(
        "sesv2",
        "create_email_identity",
        apart=(
            "DkimAttributes",
            "FeedbackAttributes",
            "MailFromAttributes",
            "ConfigurationSetAttributes",
        ),
    )
    tokens = {f"DkimDNSTokenName{n}": f"token{n}._domainkey.{name}" for n in (1, 2, 3)}
    values = {f"DkimDNSTokenValue{n}": f"token{n}.dkim.amazonses.com" for n in (1, 2, 3)}
    return Made(
        ref=name,
        attributes=tokens | values,
        undo=it.undoing("sesv2", "delete_email_identity", EmailIdentity=name),
    )


@makes("AWS::SES::ConfigurationSet")
def configuration_set(it: Making) -> Made:
    name = it.named("Name")
    it.create(
        "sesv2",
        "create_configuration_set",
        apart=("Name", "VdmOptions"),
        ConfigurationSetName=name,
    )
    return Made(
        ref=name,
        undo=it.undoing("sesv2", "delete_configuration_set", ConfigurationSetName=name),
    )
