// The conformance suite against torc: every case has to pass. `compare.ts` runs the same table against nginx and HAProxy.

import { againstTorc } from './against-torc.ts';

againstTorc('conformance', 'torc');
