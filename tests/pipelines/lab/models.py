from django.db import models


class Effect(models.Model):
    """What a unit of the lab's pipeline does.

    Nothing keeps it from being written twice: the engine has to.
    """

    run = models.UUIDField()
    step = models.CharField(max_length=20)
    item = models.IntegerField()
    attempt = models.IntegerField()
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return f"{self.step}:{self.item}"
