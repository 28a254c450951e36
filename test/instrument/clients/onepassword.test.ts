import * as sdk from '@1password/sdk'
import { AuditError } from 'otel-audit'
import { beforeAll, describe, expect, it } from 'vitest'
import { ONEPASSWORD_HOOK } from '../../../src/instrument/clients/onepassword.js'
import { CANARY, hookedPackage, scened, thrownBy } from './hooked.js'

/** In place of the core, which is WebAssembly and speaks to 1Password alone. */
class Core {
  readonly calls: string[] = []
  readonly id = 1

  constructor(answers: Readonly<Record<string, unknown>>) {
    this.#answers = answers
  }

  readonly #answers: Readonly<Record<string, unknown>>

  async invoke({
    invocation,
  }: {
    readonly invocation: { readonly parameters: { readonly name: string } }
  }): Promise<string> {
    const { name } = invocation.parameters
    this.calls.push(name)
    const answer = this.#answers[name]
    if (answer instanceof Error) throw answer
    return JSON.stringify(answer)
  }
}

const client = (answers: Readonly<Record<string, unknown>>): sdk.Client =>
  new sdk.Client(new Core(answers) as unknown as ConstructorParameters<typeof sdk.Client>[0])

beforeAll(async () => {
  const { coverage } = await hookedPackage<object>(ONEPASSWORD_HOOK, '@1password/sdk', sdk)
  expect(coverage).toMatchObject({
    state: 'hooked',
    hook: 'secrets.resolve, secrets.resolveAll, items.get, items.getAll, environments.getVariables',
  })
})

const REFERENCE = 'op://vault/orders-db/password'

describe('a secret of 1Password', () => {
  it('is one row', async () => {
    const scene = scened({ strict: true })
    expect(await client({ SecretsResolve: CANARY }).secrets.resolve(REFERENCE)).toBe(CANARY)
    expect(scene.stored()).toHaveLength(1)
    expect(await scene.said()).toEqual([
      {
        credential: REFERENCE,
        operation: 'get_credential',
        outcome: 'ok',
        provider: '1password',
        api: 'resolve',
        seen: 'client',
      },
    ])
  })

  it('among several is a row for each', async () => {
    const scene = scened({ strict: true })
    const content = { secret: CANARY, itemId: 'i', vaultId: 'v' }
    const answers = {
      SecretsResolveAll: {
        individualResponses: {
          'op://v/a/b': { content },
          'op://v/none/b': { error: { type: 'itemNotFound' } },
          'not a reference': { error: { type: 'parsing', message: CANARY } },
        },
      },
    }
    await client(answers).secrets.resolveAll(Object.keys(answers.SecretsResolveAll.individualResponses))
    expect(await scene.said()).toMatchObject([
      { credential: 'op://v/a/b', outcome: 'ok' },
      { credential: 'op://v/none/b', outcome: 'credential_not_found', 'error.type': 'itemNotFound' },
      { credential: 'not a reference', outcome: 'invalid_request' },
    ])
  })

  it('in an item, or an environment, is a row', async () => {
    const scene = scened()
    const item = { id: 'i', version: 5, fields: [{ value: CANARY }] }
    const answers = {
      ItemsGet: item,
      ItemsGetAll: { individualResponses: [{ content: item }, { error: { type: 'itemNotFound' } }] },
      EnvironmentsGetVariables: { variables: [{ name: 'A', value: CANARY }] },
    }
    const { items, environments } = client(answers)
    await items.get('v', 'i')
    await items.getAll('v', ['i', 'j'])
    await environments.getVariables('e')
    expect(await scene.said()).toMatchObject([
      { credential: 'op://v/i', api: 'get', version: '5' },
      { credential: 'op://v/i', api: 'getAll', outcome: 'ok' },
      { credential: 'op://v/j', api: 'getAll', outcome: 'credential_not_found' },
      { credential: 'environment/e', api: 'getVariables' },
    ])
  })

  it.each([
    [new sdk.RateLimitExceededError(CANARY), 'throttled'],
    [
      new Error('error resolving secret reference: no item matched the secret reference query'),
      'credential_not_found',
    ],
    [
      new Error('error resolving secret reference: the secret reference could not be parsed: x'),
      'invalid_request',
    ],
    [new Error(CANARY), 'other'],
  ])('that is refused is one row: %s', async (error, outcome) => {
    const scene = scened()
    expect(await thrownBy(client({ SecretsResolve: error }).secrets.resolve(REFERENCE))).toBe(error)
    expect(await scene.said()).toMatchObject([{ credential: REFERENCE, outcome }])
  })

  it('is withheld in strict mode, and the store down', async () => {
    const scene = scened({ strict: true })
    scene.isDown = true
    expect(await thrownBy(client({ SecretsResolve: CANARY }).secrets.resolve(REFERENCE))).toBeInstanceOf(
      AuditError,
    )
    const error = new sdk.RateLimitExceededError('no')
    expect(await thrownBy(client({ SecretsResolve: error }).secrets.resolve(REFERENCE))).toBe(error)
    expect(error).toMatchObject({ auditError: { code: 'AUDIT_UNAVAILABLE' } })
  })
})
