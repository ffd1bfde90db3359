const handle = await train.trigger({ epochs: 3 }, { metadata: [{ owner: "Ada" }, { owner: "Grace" }] });
