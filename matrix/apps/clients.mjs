// A service that reads a secret by each of the clients there are; it has not one line about audit.
import { routes } from './client-routes.mjs'
import { serve } from './serving.mjs'

serve(routes)
