"""The drills, section by section. `sandbox.py` has the names that they share."""

from __future__ import annotations

from collections.abc import Mapping

from tkms.drill.acts import Drill, Where, own, page, promise

_SYNTHESIZED = "write the templates, compare, deploy"
_LOSES = "the parent key cannot be used: "
_ROWS = """
aws dynamodb query --table-name {source} --consistent-read --key-condition-expression 'pk = :k' \\
  --expression-attribute-values "{{\\":k\\":{{\\"S\\":\\"{row}\\"}}}}" --output json | jq -c '.Items[]' |
  while read -r row; do aws dynamodb put-item --table-name {target} --item "$row" < /dev/null; done
"""


def _factor(where: Where) -> str:
    return "" if where.emulator else "it asks for the code of somebody's second factor"


def _policy(where: Where) -> str:
    return "an emulator holds nobody to the policy of a key" if where.emulator else ""


def _untagged(where: Where) -> str:
    return "" if where.release else "there is no tag of an earlier release to check out"


def _take_table(name: str) -> str:
    """Only what is there."""
    return f"""
if aws dynamodb list-tables --query TableNames --output text | tr '\\t' '\\n' | grep -xq "{name}"; then
  aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled > /dev/null
  aws dynamodb wait table-exists --table-name {name}
  aws dynamodb delete-table --table-name {name} > /dev/null
fi
"""


RESTORE = Drill(
    section="Restore from point-in-time recovery",
    acts=(
        own(
            "a key that waits for its deletion; stop, and remember the moment",
            """
WAITING=$(tkms key create --alias waiting --stack $STACK --json | jq -r .id)
tkms key schedule-deletion $WAITING --days 7 --yes --stack $STACK
stop
MOMENT=$(date -u +%Y-%m-%dT%H:%M:%SZ)
""",
        ),
        own(
            "wait until that moment can be restored",
            """
latest() { TZ=UTC aws dynamodb describe-continuous-backups --table-name $KEYS --output text \\
  --query ContinuousBackupsDescription.PointInTimeRecoveryDescription.LatestRestorableDateTime; }
at=None
while [[ $at = None || ! $at > $MOMENT ]]; do sleep 15; at=$(latest); done
""",
            only=lambda where: not where.emulator,
        ),
        page("restore the keys table beside it", WHEN="$MOMENT"),
        own(
            "a key that comes after the moment; its rows are kept apart, as a sandbox's old table goes",
            """
LATER=$(tkms key create --alias later --stack $STACK --json | jq -r .id)
LATE=$(echo late | tkms encrypt --key alias/later --stack $STACK)
aws dynamodb create-table --table-name $STACK-kept --billing-mode PAY_PER_REQUEST \\
  --key-schema AttributeName=pk,KeyType=HASH AttributeName=sk,KeyType=RANGE \\
  --attribute-definitions AttributeName=pk,AttributeType=S AttributeName=sk,AttributeType=S > /dev/null
aws dynamodb wait table-exists --table-name $STACK-kept
"""
            + "".join(
                _ROWS.format(source="$KEYS", row=row, target="$STACK-kept") for row in ("KEY#$LATER", "ALIAS#later")
            ),
        ),
        page("look at what the sweeper would destroy", says="KEY#$WAITING"),
        own("name the restored table in the tenant's entry", """entry "{\\"keys_table\\":\\"$NEW\\"}\""""),
        page(_SYNTHESIZED),
        page("start the endpoint alone"),
        promise("the stack has the restored table", 'test "$KEYS" = $STACK-keys-restored'),
        promise(
            "the doctor finds the two sweepers stopped, and no other problem", 'test "$(problems)" = "stopped stopped"'
        ),
        promise("what was encrypted before opens", "all_open"),
        promise(
            "the key that came after the moment is gone",
            'refused "does not exist" tkms key describe $LATER --stack $STACK',
        ),
        promise(
            "the key that waited for its deletion waits",
            'test "$(tkms key describe $WAITING --stack $STACK --json | jq -r .state)" = PendingDeletion',
        ),
        page("call a deletion off that was wrong", ID="$WAITING"),
        promise(
            "that key works again",
            'test "$(tkms key describe $WAITING --stack $STACK --json | jq -r .state)" = Enabled',
        ),
        page("start the sweepers"),
        promise("the doctor finds no problem", 'test "$(problems)" = ""'),
        page("make the table the stack's own again"),
        page("copy a single key back", ID="$LATER", NEW="$STACK-kept"),
        page("copy its alias back", ALIAS="later"),
        promise("the key that came after the moment opens what it had encrypted", 'again opens "$LATE" late'),
        promise(
            "its alias names it again",
            'test "$(tkms key describe alias/later --stack $STACK --json | jq -r .id)" = $LATER',
        ),
        promise("the doctor believes its rows", 'test "$(problems)" = ""'),
    ),
    away=(
        own("delete the restored table", _take_table("$STACK-keys-restored")),
        own("delete the table of kept rows", _take_table("$STACK-kept")),
    ),
)

MOVE = Drill(
    section="Move a tenant to another account or region",
    acts=(
        own("a bucket; stop", "aws s3 mb s3://$STACK-$ACCOUNT\nstop"),
        page("export the keys table", BUCKET="$STACK-$ACCOUNT", says="COMPLETED"),
        own(
            "an emulator exports no rows: write what AWS does",
            """
aws dynamodb scan --table-name $KEYS --consistent-read --output json | jq -c '.Items[] | {Item: .}' | gzip |
  aws s3 cp --quiet - s3://$BUCKET/keys/AWSDynamoDB/${EXPORT##*/}/data/rows.json.gz
""",
            only=lambda where: where.emulator,
        ),
        page(
            "import it, here into the same account and region",
            OWNER="$ACCOUNT",
            BUCKET="$STACK-$ACCOUNT",
            EXPORT="${EXPORT##*/}",
            says="COMPLETED",
        ),
        own(
            "recovery of the imported table; name it in the tenant's entry; start",
            """
on="--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
aws dynamodb update-continuous-backups --table-name $TABLE $on > /dev/null
entry "{\\"keys_table\\":\\"$TABLE\\"}"
start
""",
        ),
        page("deploy, and ask the doctor"),
        promise("the stack has the imported table", 'KEYS=$(output KeysTable); test "$KEYS" = $STACK-keys-moved'),
        promise("what was encrypted before opens", "again all_open"),
        promise("the doctor finds no problem", 'test "$(problems)" = ""'),
        promise(
            "it serves in another account or region",
            "",
            person=lambda _: "a sandbox has one account and region, and its access table and parent key stay",
        ),
    ),
    away=(
        own("delete the imported table", _take_table("$STACK-keys-moved")),
        own(
            "delete the bucket",
            """
if aws s3api list-buckets --query Buckets[].Name --output text | tr '\\t' '\\n' | grep -xq "$STACK-$ACCOUNT"; then
  aws s3 rb --force s3://$STACK-$ACCOUNT > /dev/null
fi
""",
        ),
    ),
)

BREAK_GLASS = Drill(
    section="Break-glass",
    acts=(
        page("make the role, here one of the sandbox", ROLE="$STACK-break-glass"),
        page("become it", person=_factor),
        promise(
            "who names no tenant is refused the parent key",
            "refused AccessDenied aws kms encrypt --key-id $PARENT --plaintext eA==",
            person=_policy,
        ),
        promise(
            "who is not break-glass is refused a deletion and a policy",
            "",
            person=lambda _: "a sandbox's parent key has no such rule, so that it can go with its stack",
        ),
        own(
            "remember the policy",
            """
policy() { aws kms get-key-policy --key-id $PARENT --policy-name default --query Policy --output text | jq -Sc .; }
POLICY=$(policy)
""",
        ),
        page("change the policy, here into the same"),
        promise("it is as it was", 'test "$(policy)" = "$POLICY"'),
        page("schedule the deletion of the parent key", says="PendingDeletion"),
        promise("the doctor says so", """grep -q "parent key" <<< "$(problems)\""""),
        promise(
            _LOSES + "nothing new is made", "again refused 'unavailable|did not seal' tkms key create --stack $STACK"
        ),
        page("cancel the deletion, and enable the key"),
        promise("what was encrypted before opens", "again all_open"),
        promise("new keys are made", "again tkms key create --stack $STACK > /dev/null"),
        promise("the doctor finds no problem", 'test "$(problems)" = ""'),
    ),
    away=(
        own(
            "delete the role",
            """
if aws iam list-roles --query Roles[].RoleName --output text | tr '\\t' '\\n' | grep -xq "$STACK-break-glass"; then
  aws iam delete-role-policy --role-name $STACK-break-glass --policy-name parent-keys
  aws iam delete-role --role-name $STACK-break-glass
fi
""",
        ),
    ),
)

ROLLBACK = Drill(
    section="Upgrade and rollback",
    acts=(
        own("the entry of the newer one asks for more", """entry '{"platform_lines":true}'"""),
        page("upgrade: " + _SYNTHESIZED),
        own(
            "what the newer one writes",
            """
NEWER=$(tkms key create --alias newer --stack $STACK --json | jq -r .id)
tkms key rotate alias/newer --stack $STACK > /dev/null
WROTE=$(echo newer | tkms encrypt --key alias/newer --stack $STACK)
entry '{"platform_lines":false}'
""",
        ),
        page("go back: the release before", person=_untagged, RELEASE="$RELEASE"),
        own(
            "go back: the same sources, under the entry as it was",
            'make cdk ARGS="deploy $STACK --require-approval never"',
            only=lambda where: not where.release,
        ),
        promise("what was encrypted before opens", "again all_open"),
        promise("what the newer one encrypted opens", 'again opens "$WROTE" newer'),
        promise(
            "the older one changes what the newer one wrote, and it still opens",
            """
tkms key disable $NEWER --stack $STACK
tkms key enable $NEWER --stack $STACK
again opens "$WROTE" newer
""",
        ),
        promise("the doctor finds no problem", 'test "$(problems)" = ""'),
    ),
    away=(
        own(
            "take the earlier release's checkout away",
            "if [ -e build/$RELEASE ]; then git worktree remove --force build/$RELEASE; fi",
            only=lambda where: bool(where.release),
        ),
    ),
)

DRILLS: Mapping[str, Drill] = {
    "restore": RESTORE,
    "move": MOVE,
    "break-glass": BREAK_GLASS,
    "rollback": ROLLBACK,
}
"""In the order in which all are run: the last one leaves the stack as an earlier release made it."""
