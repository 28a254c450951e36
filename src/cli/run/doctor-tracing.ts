import type { HealthFinding } from '../../contract/sink.js'
import { locateSdkNode } from '../../otel/sdk/packages.js'
import type { Diagnosis } from '../../postgres/diagnosis.js'

/**
 * What the environment says about tracing, as far as it can be seen from outside of the service: rows are stored whatever
 * it says, but for a configuration that the pipeline refuses.
 */
export function diagnoseTracing(env: NodeJS.ProcessEnv): Diagnosis {
  const check = 'tracing'
  const findings: HealthFinding[] = []
  const say = (level: HealthFinding['level'], message: string): void =>
    void findings.push({ level, check, message })
  if (env['OTEL_CONFIG_FILE']) {
    say(
      'error',
      'OTEL_CONFIG_FILE makes the SDK ignore the audit pipeline (AUDIT_SDK_CONFIG): unset OTEL_CONFIG_FILE',
    )
  }
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') {
    say(
      'warning',
      'OTEL_SDK_DISABLED=true: rows are stored, and no trace shows them: unset OTEL_SDK_DISABLED',
    )
  }
  return { check, state: sdkState(), findings }
}

function sdkState(): string {
  try {
    locateSdkNode()
    return 'the audit spans go where the environment says'
  } catch {
    return 'none: @opentelemetry/sdk-node is not installed here, so rows are stored without a trace'
  }
}
