import { describe, expect, it } from 'vitest'
import { applyHook, type ClientHook } from '../../../src/instrument/client-hook.js'
import { LOADED_HOOKS } from '../../../src/instrument/client-hooks.js'
import { AWS_APIS, type AwsApi, awsAccess, awsReading } from '../../../src/instrument/clients/aws-apis.js'
import type { InstrumentSettings } from '../../../src/instrument/settings.js'
import { waitUntil } from '../../support/wait-until.js'
import { watched } from '../watched.js'

const IDENTITY: Partial<InstrumentSettings> = { identity: true }

/** Loads a package for a hook, in place of the loader. @returns what is said of it, once something is */
async function loaded(hook: ClientHook, exports: unknown): Promise<unknown> {
  const at = watched({}, IDENTITY)
  const [name = ''] = hook.packages
  expect(applyHook(at.watch, hook, exports, { name, version: '9.9.9' })).toBe(exports)
  return waitUntil('its coverage', () => at.watch.coverage.entries()[0])
}

function Thrower(): never {
  throw new Error('no')
}

const STRANGE: readonly (readonly [string, unknown])[] = [
  ['nothing', undefined],
  ['a text', 'exports'],
  ['an empty object', {}],
  [
    'classes that are none',
    { Client: 7, SecretClient: null, Signer: {}, SSMClient: 'x', Secrets: () => undefined },
  ],
  ['a class that throws', { Client: Thrower }],
]

describe.each(LOADED_HOOKS.map((hook) => [hook.name, hook] as const))(
  'a package that changed: %s',
  (_, hook) => {
    it.each(STRANGE)('its exports are %s: it is not hooked, and left as it is', async (__, exports) => {
      expect(await loaded(hook, exports)).toMatchObject({ state: 'not_hooked', version: '9.9.9' })
    })

    it('an object that is none of its clients is not taken for one', () => {
      const at = watched({}, IDENTITY)
      const copy = at.watch.coverage.copy(hook.name, undefined)
      const context = { copy, settings: at.watch.settings, audited: () => Promise.reject(new Error('never')) }
      for (const given of [{}, [], new Map(), { send: 1 }, { request: () => undefined }, { secrets: {} }]) {
        expect(hook.hookInstance?.(given, context) ?? false).toBe(false)
      }
    })
  },
)

describe('an identity that STS gives', () => {
  const apis: Readonly<Record<string, AwsApi>> = AWS_APIS.STSClient
  it.each<[string, object, object, string, string | undefined]>([
    ['AssumeRole', { RoleArn: 'arn:r' }, { AssumedRoleUser: { Arn: 'arn:u' } }, 'arn:r', 'arn:u'],
    ['AssumeRoleWithSAML', { RoleArn: 'arn:r', SAMLAssertion: 'hunter2' }, {}, 'arn:r', undefined],
    ['AssumeRoleWithWebIdentity', { RoleArn: 'arn:r', WebIdentityToken: 'hunter2' }, {}, 'arn:r', undefined],
    ['AssumeRoot', { TargetPrincipal: '111122223333' }, {}, '111122223333', undefined],
    ['GetFederationToken', { Name: 'ada' }, { FederatedUser: { Arn: 'arn:f' } }, 'ada', 'arn:f'],
    ['GetSessionToken', {}, { Credentials: { SecretAccessKey: 'hunter2' } }, 'session', undefined],
  ])('%s', (name, input, output, credential, arn) => {
    const api = apis[name] as AwsApi
    const access = awsAccess(name, api, input, 'secure', 'eu-central-1')
    expect(access).toMatchObject({ operation: 'assume_identity', credential, serverRegion: 'eu-central-1' })
    if (access === undefined) return
    const rows = awsReading(api, 'secure').rows(output, access)
    expect(rows).toEqual([{ outcome: 'ok', attributes: arn === undefined ? {} : { arn } }])
    expect(JSON.stringify([access, rows])).not.toContain('hunter2')
  })
})
