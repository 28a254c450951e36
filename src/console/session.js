import { signInConfig, signOut, token } from './api.js'
import { byId } from './dom.js'

const dialog = byId('sign-in')
let config = {}

/** Asks who may sign in how. `then` is called when somebody has signed in with a token. */
export async function beginSession(then) {
  config = await signInConfig()
  dialog.addEventListener('close', () => {
    const input = dialog.querySelector('input')
    if (input.value === '') return
    token.set(input.value)
    input.value = ''
    then()
  })
  byId('sign-out').addEventListener('click', () => {
    const wasToken = token.get() !== null
    forget()
    if (wasToken) then()
    else void signOut().then(then)
  })
}

/** Whether there is something to read with: without, a read would only be refused, and be a row. */
export const isSignedIn = () => token.get() !== null || Boolean(config.reader)

/** Shows who reads. */
export function showSession() {
  byId('sign-out').hidden = !isSignedIn()
  byId('reader').textContent = token.get() === null ? (config.reader?.name ?? '') : ''
}

/** @param {string} problem why it is asked for again */
export function askToSignIn(problem) {
  byId('sign-in-problem').textContent = problem
  const link = byId('sign-in-oidc')
  byId('sign-in-with').hidden = !config.sign_in
  // A server that says nothing takes a token, if any.
  dialog.querySelector('form').hidden = config.token === false && Boolean(config.sign_in)
  if (config.sign_in) {
    link.href = `/auth/login?return=${encodeURIComponent(location.pathname + location.search)}`
  }
  showSession()
  if (!dialog.open) dialog.showModal()
}

/** What was signed in with is not accepted any more. */
export function forget() {
  token.clear()
  config = { ...config, reader: null }
}
