#!/usr/bin/env bash
# aws-cdk-lib 2.276.0 (npm), Node 20
# Surprise: where a service of AWS writes into a queue or topic that is encrypted by a customer's KMS key, CDK adds the service to the key's
# policy in some places and not in their neighbours. The target of a rule and the queue of a subscription get it; the dead letter queue of the
# same rule and of the same subscription, and the topic of an alarm do not, with all recommended feature flags as without any. The queues'
# own policies are written in all of these cases, so the template looks complete. A bucket's topic gets it with a feature flag.
# Why it matters: nothing fails when it is deployed, and nothing is logged later. Events that could not be delivered, which the dead letter
# queue is there to keep, are lost, and an alarm that goes off tells nobody. `key.grantEncryptDecrypt(new iam.ServicePrincipal(..))` is missing.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . aws-cdk-lib@2.276.0 constructs@10.8.1 >/dev/null
cat > run.cjs <<'E'
const cdk = require("aws-cdk-lib");
const { Template } = require("aws-cdk-lib/assertions");
const flags = require("aws-cdk-lib/recommended-feature-flags.json");
const { aws_cloudwatch: cloudwatch, aws_cloudwatch_actions: actions, aws_events: events, aws_events_targets: targets, aws_kms: kms,
  aws_lambda: lambda, aws_s3: s3, aws_s3_notifications: notifications, aws_sns: sns, aws_sns_subscriptions: subscriptions, aws_sqs: sqs } = cdk;

const schedule = events.Schedule.rate(cdk.Duration.days(1));
const func = (stack) => new lambda.Function(stack, "Function",
  { runtime: lambda.Runtime.PYTHON_3_13, handler: "a.b", code: lambda.Code.fromInline("pass") });
const queueOf = (stack, key) => new sqs.Queue(stack, "Queue", { encryptionMasterKey: key });
const topicOf = (stack, key) => new sns.Topic(stack, "Topic", { masterKey: key });
const cases = {
  "rule, target": (stack, key) => new events.Rule(stack, "Rule", { schedule, targets: [new targets.SqsQueue(queueOf(stack, key))] }),
  "rule, dead letters": (stack, key) => new events.Rule(stack, "Rule",
    { schedule, targets: [new targets.LambdaFunction(func(stack), { deadLetterQueue: queueOf(stack, key) })] }),
  "subscription, queue": (stack, key) => new sns.Topic(stack, "Plain").addSubscription(new subscriptions.SqsSubscription(queueOf(stack, key))),
  "subscription, dead letters": (stack, key) => new sns.Topic(stack, "Plain")
    .addSubscription(new subscriptions.LambdaSubscription(func(stack), { deadLetterQueue: queueOf(stack, key) })),
  "rule, topic": (stack, key) => new events.Rule(stack, "Rule", { schedule, targets: [new targets.SnsTopic(topicOf(stack, key))] }),
  "bucket, topic": (stack, key) => new s3.Bucket(stack, "Bucket")
    .addEventNotification(s3.EventType.OBJECT_CREATED, new notifications.SnsDestination(topicOf(stack, key))),
  "alarm, topic": (stack, key) => new cloudwatch.Metric({ namespace: "a", metricName: "b" })
    .createAlarm(stack, "Alarm", { threshold: 1, evaluationPeriods: 1 }).addAlarmAction(new actions.SnsAction(topicOf(stack, key))),
};
const services = (resources, document) => Object.values(resources).flatMap(({ Properties }) => Properties[document].Statement)
  .map(({ Principal }) => Principal.Service).filter(Boolean);

const seen = {};
for (const context of [{}, flags]) {
  for (const [name, build] of Object.entries(cases)) {
    const stack = new cdk.Stack(new cdk.App({ context }), "Stack");
    build(stack, new kms.Key(stack, "Key"));
    const template = Template.fromStack(stack);
    const inKey = services(template.findResources("AWS::KMS::Key"), "KeyPolicy").length > 0;
    const inQueue = services(template.findResources("AWS::SQS::QueuePolicy"), "PolicyDocument").length > 0;
    (seen[name] ??= []).push(inKey);
    if (context === flags) console.log(`${name}: the service is in the key's policy ${seen[name].map((is) => (is ? "yes" : "no")).join(", with flags ")}` +
      (name.endsWith("topic") ? "" : `; in the queue's: ${inQueue ? "yes" : "no"}`));
  }
}
console.log("aws-cdk-lib", require("aws-cdk-lib/package.json").version, process.version);
const both = (is) => [is, is];
const expected = { "rule, target": both(true), "rule, dead letters": both(false), "subscription, queue": both(true),
  "subscription, dead letters": both(false), "rule, topic": both(true), "bucket, topic": [false, true], "alarm, topic": both(false) };
if (JSON.stringify(seen) !== JSON.stringify(expected)) {
  console.error("changed");
  process.exit(1);
}
console.log("still so");
E
node --no-warnings run.cjs
