import { JSON, performance } from '../../host/globals.js'
import { Problem } from '../problem.js'
import { recordRead } from '../record-read.js'
import { type Call, json, type Route, type RouteContext } from '../route.js'
import { SignInFailure } from './code-flow.js'
import { CALLBACK_PATH, type SignIn } from './sign-in.js'
import { signInPage } from './sign-in-page.js'

const config: Route = {
  path: '/auth/config',
  operationId: 'getSignIn',
  summary: 'How readers sign in here, and who is signed in',
  access: 'anyone',
  answers: { 'application/json': 'SignIn' },
  handle({ signIn, takesTokens }, { request }) {
    const session = signIn?.sessionOf(request)
    const reader =
      session === undefined
        ? null
        : { name: session.reader.actorId, until: new Date(session.untilMs).toISOString() }
    return json(`${JSON.stringify({ sign_in: signIn !== undefined, token: takesTokens, reader })}\n`)
  },
}

const login: Route = {
  path: '/auth/login',
  operationId: 'signIn',
  summary: 'Sends a browser to the issuer, to sign in',
  description: '`return` is where the console goes on, as `/?credential=orders-db`.',
  access: 'anyone',
  answers: {},
  redirects: [302],
  problems: [404, 503],
  async handle(context, call) {
    const signIn = configured(context)
    try {
      const { request } = call
      const { location, cookie } = await signIn.begin(new URL(request.url).searchParams.get('return'))
      return redirect(302, location, [cookie])
    } catch (error) {
      return failed(error, context, call)
    }
  },
}

const callback: Route = {
  path: CALLBACK_PATH,
  operationId: 'finishSignIn',
  summary: 'Where the issuer sends a browser back to',
  access: 'anyone',
  answers: {},
  redirects: [303],
  problems: [400, 401, 403, 404, 503],
  async handle(context, call) {
    const signIn = configured(context)
    try {
      const end = await signIn.finish(call.request)
      if ('problem' in end) {
        return signInPage(
          400,
          'Signing in took too long',
          'It was not begun in this browser, was finished before, or took more than ten minutes.',
        )
      }
      const reader = { ...end.session.reader, sourceAddress: call.address }
      // Who cannot be recorded is not let in.
      await recordRead(context, { ...call, reader }, { what: 'sign_in', filter: '{}' })
      return redirect(303, end.returnTo, signIn.admit(call.request, end.session))
    } catch (error) {
      return failed(error, context, call)
    }
  },
}

const logout: Route = {
  path: '/auth/logout',
  operationId: 'signOut',
  summary: 'Ends a sign-in of this server; the one at the issuer goes on',
  access: 'anyone',
  answers: {},
  redirects: [303],
  problems: [403, 404],
  handle(context, { request }) {
    const signIn = configured(context)
    // A page of somebody else must not sign people out.
    if (request.headers.get('sec-fetch-site') !== 'same-origin') {
      throw new Problem(403, 'Signing out is for the console of this server.')
    }
    return redirect(303, '/', [signIn.end(request)])
  },
}

export const SIGN_IN_ROUTES: readonly Route[] = [config, login, callback, logout]

function configured({ signIn }: RouteContext): SignIn {
  if (signIn !== undefined) return signIn
  throw new Problem(404, 'Signing in is not configured here.', {
    hint: 'Set NOETL_SECRET_AUDIT_OIDC_ISSUER, …_CLIENT_ID and …_REDIRECT_URL, or read with a token.',
  })
}

/** What a person is told. Who was turned away is counted and leaves a row, as whoever comes with a wrong token. */
function failed(error: unknown, { failures, refusals }: RouteContext, { address }: Call): Response {
  if (error instanceof SignInFailure && error.reason === 'issuer away') {
    failures.failed('the issuer did not answer, and nobody could sign in', error.cause)
    return signInPage(
      503,
      'Signing in is not possible now',
      'The issuer does not answer. Try again in a moment.',
    )
  }
  if (error instanceof SignInFailure && error.reason === 'not proven') {
    failures.failed('a sign-in was not accepted', error.cause)
  }
  const refusal = error instanceof SignInFailure ? new Problem(401, WHY[error.reason]) : error
  if (!(refusal instanceof Problem)) throw error
  const { status } = refusal.document
  const told = status === 401 || status === 403 ? refusals.note(refusal, address, performance.now()) : refusal
  return signInPage(told.document.status, 'You are not signed in', told.document.detail)
}

const WHY: Readonly<Record<SignInFailure['reason'], string>> = {
  'issuer away': 'The issuer does not answer.',
  refused: 'The issuer did not sign you in.',
  'not proven': 'What the issuer sent does not prove who you are. The log of this server says why.',
}

function redirect(status: number, location: string, cookies: readonly string[]): Response {
  const headers = new Headers({ location })
  for (const cookie of cookies) headers.append('set-cookie', cookie)
  return new Response(null, { status, headers })
}
