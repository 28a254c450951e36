// `npm run collector:check`: a real collector with otel-collector.yaml and deploy/collector/, held to what
// docs/collector.md says of them.
// Builds that collector first when it is not there yet, which takes some minutes and the Go module proxy.
import { collectorBinary } from './build.mjs'
import { checkConfigurations } from './check-configurations.mjs'
import { checkDemo } from './check-demo.mjs'
import { checkFaults } from './check-faults.mjs'
import { checkGateway } from './check-gateway.mjs'
import { checkNames } from './check-names.mjs'
import { checkPipelines } from './check-pipelines.mjs'
import { runChecks } from './checks.mjs'

await runChecks(
  await collectorBinary((line) => console.error(line)),
  checkConfigurations,
  checkPipelines,
  checkFaults,
  checkGateway,
  checkNames,
  checkDemo,
)
