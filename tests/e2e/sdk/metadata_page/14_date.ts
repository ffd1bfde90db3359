const handle = await train.trigger({ epochs: 3 }, { metadata: { owner: { name: "Ada" }, begun: new Date() } });
