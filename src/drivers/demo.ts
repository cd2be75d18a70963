// The bundled replica (docker/replica.ts) in words: what runs where nobody named a program. Called "the demo program"
// wherever torc says what it runs, so that nobody takes it for their own; as an image it is torc-replica.

export const DEMO_PROGRAM = 'the demo program';
