const handle = await train.trigger({ epochs: 3 }, { metadata: { name: () => "Ada", clock: new Clock() } });
