import { Operation } from '../../event/vocabulary.js'
import { AWS_APIS, type AwsApi, isWanted } from '../clients/aws-apis.js'
import type { Access } from '../open-access.js'
import type { InstrumentSettings } from '../settings.js'
import { cborKeys, type Found, jsonKeys } from './body-keys.js'
import type { Target, WireRequest } from './target.js'

/** A request that reads or writes a secret of AWS, or uses a key. What it asks for is in its body. */
export interface AwsRequest {
  readonly api: string
  readonly operation: Operation
  /** Whether its body may be looked at. */
  readonly isNamedInBody: boolean
  /** Its access, once its body is known; undefined when the answer cannot have a secret. */
  access(body: string | Uint8Array | undefined): Access | undefined
}

/** Services, as the header `x-amz-target` and the path of `rpc-v2-cbor` name them. */
const SERVICES: Readonly<Record<string, Readonly<Record<string, AwsApi>>>> = {
  secretsmanager: AWS_APIS.SecretsManagerClient,
  AmazonSSM: AWS_APIS.SSMClient,
  TrentService: AWS_APIS.KMSClient,
}

/** Their bodies have the value of a secret: they are not looked at. */
const WITH_VALUE: ReadonlySet<string> = new Set([
  'CreateSecret',
  'PutSecretValue',
  'UpdateSecret',
  'PutParameter',
])

/** Keys of bodies that say what is asked for. No other value of a body is kept. */
const IDENTIFIERS: ReadonlySet<string> = new Set([
  'SecretId',
  'SecretIdList',
  'Name',
  'Names',
  'Path',
  'KeyId',
  'WithDecryption',
])

const CBOR_PATH = /^\/service\/(\w+)\/operation\/(\w+)$/
const JSON_TARGET = /^(\w+)\.(\w+)$/
/** Source: the credential scope of Signature Version 4. */
const SCOPE = /Credential=[^/\s]+\/\d{8}\/([a-z0-9-]+)\//

export function awsRequest(
  request: WireRequest,
  target: Target,
  settings: InstrumentSettings,
): AwsRequest | undefined {
  const header = request.header('x-amz-target')
  const known = knownApi(header, target.path)
  if (known === undefined || !isWanted(known.entry, settings)) return undefined
  const { service, api, entry } = known
  const isCbor = header === undefined
  return {
    api,
    operation: entry.operation,
    isNamedInBody: !WITH_VALUE.has(api),
    access(body) {
      // Without its body the names are not known; that it was asked for is.
      const found = body === undefined ? undefined : keysOf(body, isCbor)
      const asked = found === undefined ? [] : entry.asked(found, settings.ssm)
      if (found !== undefined && asked.length === 0) return undefined
      const [credential = 'unknown', ...more] = asked
      return {
        provider: 'aws',
        api,
        operation: entry.operation,
        credential,
        batch: more.length > 0 ? asked : undefined,
        serverRegion: SCOPE.exec(request.header('authorization') ?? '')?.[1],
        attributes: {
          type: service === 'AmazonSSM' ? 'unknown' : undefined,
          attempt: attemptOf(request.header('amz-sdk-request')),
          invocation: request.header('amz-sdk-invocation-id'),
        },
      }
    },
  }
}

/** Whether the body of a request says what it asks for, and has no value of a secret. No other body is kept for a moment. */
export function isNamedInBody(header: string | undefined, path: string): boolean {
  const known = knownApi(header, path)
  return known !== undefined && !WITH_VALUE.has(known.api)
}

interface KnownApi {
  readonly service: string
  readonly api: string
  readonly entry: AwsApi
}

function knownApi(header: string | undefined, path: string): KnownApi | undefined {
  if (header === undefined && !path.startsWith('/service/')) return undefined
  const [, service = '', api = ''] =
    (header === undefined ? CBOR_PATH.exec(path) : JSON_TARGET.exec(header)) ?? []
  const apis = Object.hasOwn(SERVICES, service) ? SERVICES[service] : undefined
  const entry = apis !== undefined && Object.hasOwn(apis, api) ? apis[api] : undefined
  return entry && { service, api, entry }
}

function keysOf(body: string | Uint8Array, isCbor: boolean): Found {
  if (isCbor) return typeof body === 'string' ? {} : cborKeys(body, IDENTIFIERS)
  return jsonKeys(typeof body === 'string' ? body : Buffer.from(body).toString('utf8'), IDENTIFIERS)
}

function attemptOf(header: string | undefined): number | undefined {
  const attempt = /attempt=(\d{1,6})/.exec(header ?? '')?.[1]
  return attempt === undefined ? undefined : Number(attempt)
}
