import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { onTestFinished } from 'vitest'

type Claims = Record<string, unknown>
/** What `jose` signs with. */
export type SigningKey = Parameters<SignJWT['sign']>[0]

/** What the token endpoint answers with; undefined: nothing, and the connection breaks. */
type Answer = { readonly status?: number; readonly body: object } | undefined

export interface FakeIssuer {
  readonly url: string
  /** Sets what the token endpoint answers with from now on. */
  answer(with_: () => Answer | Promise<Answer>): void
  /** An ID token, signed unless another key says otherwise. */
  idToken(claims: Claims, change?: (jwt: SignJWT) => SignJWT, key?: SigningKey): Promise<string>
  /** The same, signed with a secret that both know. */
  symmetric(claims: Claims, secret: string): Promise<string>
  /** Bodies that came to the token endpoint. */
  readonly exchanged: URLSearchParams[]
}

/** An issuer that says whatever a test wants it to. */
export async function fakeIssuer(): Promise<FakeIssuer> {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }
  const exchanged: URLSearchParams[] = []
  let next: () => Answer | Promise<Answer> = () => undefined
  const server = createServer((incoming, outgoing) => {
    const reply = (body: object, status = 200): void => {
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (incoming.url?.startsWith('/.well-known/')) {
      return reply({
        issuer: url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        jwks_uri: `${url}/jwks`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
        code_challenge_methods_supported: ['S256'],
      })
    }
    if (incoming.url === '/jwks') return reply({ keys: [jwk] })
    let body = ''
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
    incoming.on('end', () => {
      exchanged.push(new URLSearchParams(body))
      void (async () => {
        const answer = await next()
        if (answer === undefined) incoming.socket.destroy()
        else reply(answer.body, answer.status)
      })()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const unsigned = (claims: Claims): SignJWT =>
    new SignJWT(claims)
      .setIssuer(url)
      .setAudience('console')
      .setSubject('jane')
      .setIssuedAt()
      .setExpirationTime('5m')
  return {
    url,
    exchanged,
    answer(with_) {
      next = with_
    },
    idToken: (claims, change = (jwt) => jwt, key = privateKey) =>
      change(unsigned(claims).setProtectedHeader({ alg: 'RS256', kid: 'k1' })).sign(key),
    symmetric: (claims, secret) =>
      unsigned(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret)),
  }
}
