import { randomUUID } from '../host/crypto.js'
import type { ServiceIdentity } from '../contract/pipeline.js'
import type { Environment } from '../host/environment.js'

/** What is said of a service that {@link serviceIdentity} finds no name of. */
export const NAMELESS =
  'the service has no name, and neither have its rows (service_name is NULL): set OTEL_SERVICE_NAME, or the option serviceName'

// Once per process, whatever the number of pipelines: it names the process.
let instanceId: string | undefined

/** The service that rows name as theirs: what is given, else the environment's resource, else NULL and a UUID. */
export function serviceIdentity(given: ServiceIdentity, env: Environment): ServiceIdentity {
  const resource = resourceAttributes(env.OTEL_RESOURCE_ATTRIBUTES)
  return {
    serviceName:
      given.serviceName ?? nonEmpty(env.OTEL_SERVICE_NAME) ?? nonEmpty(resource.get('service.name')),
    serviceInstanceId:
      given.serviceInstanceId ??
      nonEmpty(resource.get('service.instance.id')) ??
      (instanceId ??= randomUUID()),
  }
}

/** `key=value,key=value`, percent-encoded, as OpenTelemetry defines `OTEL_RESOURCE_ATTRIBUTES`. */
function resourceAttributes(text: string | undefined): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>()
  for (const pair of (text ?? '').split(',')) {
    const at = pair.indexOf('=')
    if (at > 0) attributes.set(pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim()))
  }
  return attributes
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** As everywhere in OpenTelemetry, empty means unset. */
function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
