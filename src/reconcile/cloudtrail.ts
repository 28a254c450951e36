import { parseTime } from '../query/time.js'
import { type Json, objectIn, parsedObject, textIn } from './entry-json.js'
import type { LogEntry, ProviderAccess, ProviderResult } from './provider-access.js'

/** What a call asks for, by the parameters that CloudTrail keeps of it. Undefined: nothing secret. */
type Asked = (parameters: Json, event: Json) => readonly string[] | undefined

const one =
  (name: string): Asked =>
  (parameters) => [textIn(parameters[name]) ?? UNKNOWN]

/** A parameter that is not asked for in plain form is no secret to whoever reads it. */
const decrypted =
  (asked: Asked): Asked =>
  (parameters, event) =>
    parameters['withDecryption'] === true ? asked(parameters, event) : undefined

const several =
  (name: string): Asked =>
  (parameters) => {
    const names = parameters[name]
    return Array.isArray(names) && names.length > 0 ? names.map((given) => textIn(given) ?? UNKNOWN) : [ANY]
  }

const key: Asked = ({ keyId }, { resources }) => {
  const [resource] = Array.isArray(resources) ? (resources as readonly unknown[]) : []
  return [textIn(keyId) ?? textIn(objectIn(resource)['ARN']) ?? UNKNOWN]
}

const UNKNOWN = 'unknown'
/** A filter, which names nothing. */
const ANY = '/*'

const CALLS: Readonly<Record<string, Readonly<Record<string, Asked>>>> = {
  'secretsmanager.amazonaws.com': {
    GetSecretValue: one('secretId'),
    BatchGetSecretValue: several('secretIdList'),
  },
  'ssm.amazonaws.com': {
    GetParameter: decrypted(one('name')),
    GetParameters: decrypted(several('names')),
    GetParametersByPath: decrypted(({ path }) => [`${(textIn(path) ?? '').replace(/\/+$/, '')}${ANY}`]),
    GetParameterHistory: decrypted(one('name')),
  },
  'kms.amazonaws.com': {
    Decrypt: key,
    GenerateDataKey: key,
    GenerateDataKeyPair: key,
    Sign: key,
    GenerateMac: key,
    DeriveSharedSecret: key,
  },
}

/** A client makes these again by itself. */
const REPEATED =
  /^(Throttl|TooManyRequests|RequestLimitExceeded|LimitExceeded|InternalFailure|InternalServi|ServiceUnavailable|KMSInternal|DependencyTimeout)/

/**
 * Reads one event of CloudTrail
 * (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html).
 *
 * @returns undefined for what is not one
 */
export function readCloudTrail(bytes: Uint8Array): LogEntry | undefined {
  const event = eventOf(bytes)
  const time = parseTime(textIn(event['eventTime']) ?? '', 0)
  const [source, name] = [textIn(event['eventSource']), textIn(event['eventName'])]
  if (time === undefined || source === undefined || name === undefined) return undefined
  const calls = Object.hasOwn(CALLS, source) ? CALLS[source] : undefined
  const asked = calls !== undefined && Object.hasOwn(calls, name) ? calls[name] : undefined
  const credentials = asked?.(objectIn(event['requestParameters']), event)
  const requestId = textIn(event['requestID'])
  if (credentials === undefined || requestId === undefined) return { time, accesses: [] }
  const identity = objectIn(event['userIdentity'])
  const access = (credential: string): ProviderAccess => ({
    log: 'cloudtrail',
    time,
    requestId,
    credential,
    namespace: '',
    api: name,
    identity: textIn(identity['arn']) ?? textIn(identity['principalId']) ?? UNKNOWN,
    result: resultOf(textIn(event['errorCode'])),
  })
  return { time, accesses: credentials.map(access), isByService: isService(identity) }
}

/** A look-up has the event as text within what it says of it. */
function eventOf(bytes: Uint8Array): Json {
  const event = parsedObject(bytes)
  const within = event['CloudTrailEvent']
  return typeof within === 'string' ? parsedObject(within) : event
}

/** Such as the Decrypt by which Secrets Manager opens a secret for somebody, which is an event of its own. */
function isService(identity: Json): boolean {
  const by = textIn(identity['invokedBy']) ?? ''
  return identity['type'] === 'AWSService' || by === 'AWS Internal' || by.endsWith('.amazonaws.com')
}

function resultOf(errorCode: string | undefined): ProviderResult {
  if (errorCode === undefined) return 'released'
  return REPEATED.test(errorCode) ? 'repeated' : 'refused'
}
